import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createStickyBalancer } from '@sd/balancer-sticky'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import type { Endpoint } from '@sd/core'
import { createTestEndpoints, createTestView } from '@sd/testing'

// Prints how many bytes one pick of the named balancer leaves on the heap.
const balancers = [
  createConsistentHashBalancer(),
  createLeastActiveBalancer(),
  createP2cBalancer(),
  createRandomBalancer(),
  createRoundRobinBalancer(),
  createStickyBalancer({ inner: createRandomBalancer() }),
  createWeightedRoundRobinBalancer(),
]
const picks = 5_000_000
const view = createTestView(createTestEndpoints(new Array<number>(100).fill(1)))
const picker = balancers.find(({ name }) => name === process.argv[2])?.createPicker(view)
const requests = Array.from({ length: 1_024 }, (_, index) => ({ hashKey: `user-${index}` }))
let sink: Endpoint | undefined

function run(): void {
  for (let index = 0; index < picks; index++) sink = picker?.pick(requests[index & 1_023] as { hashKey: string })
}

run()
run()
globalThis.gc?.()
const before = process.memoryUsage().heapUsed
run()
const bytes = Math.max(0, process.memoryUsage().heapUsed - before) / picks
if (sink === undefined) throw new Error('nothing was picked: the run is refused')
process.stdout.write(String(bytes))

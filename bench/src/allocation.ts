import type { Endpoint } from '@sd/core'
import { createBalancers, createMeasuredView } from './balancers.ts'

// Prints the number of bytes that one pick of the named balancer leaves on the heap.
const picks = 5_000_000
const view = createMeasuredView(100)
const balancer = createBalancers().find(({ name }) => name === process.argv[2])
const picker = balancer?.createPicker(view)
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
if (sink === undefined) throw new Error('nothing was picked: the run is invalid')
process.stdout.write(String(bytes))

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createStickyBalancer } from '@sd/balancer-sticky'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import type { Balancer, Endpoint, Picker, PickRequest } from '@sd/core'
import { acquire, createTestEndpoints, createTestView, release } from '@sd/testing'
import HashRing from 'hashring'
import { createBalancers, createGeoBalancers, createMeasuredView } from './balancers.ts'
import { type Contender, measurePaired } from './paired.ts'
import { type Finding, formatRatio, judgeRatio } from './report.ts'

const picksPerSlice = 200_000
const rounds = 41
/** Keeps results from being optimised away. */
let sink: Endpoint | string | undefined

const requests: readonly PickRequest[] = Array.from({ length: 1_024 }, (_, index) => ({ hashKey: `user-${index * 7919}` }))

/** Cost of one pick in nanoseconds. */
function timed(name: string, pick: (request: PickRequest) => Endpoint | string | undefined): Contender {
  return {
    name,
    slice() {
      const startedAt = process.hrtime.bigint()
      for (let index = 0; index < picksPerSlice; index++) sink = pick(requests[index & 1_023] as PickRequest)
      const cost = Number(process.hrtime.bigint() - startedAt) / picksPerSlice
      if (sink === undefined) throw new Error(`${name} picked nothing: the run is invalid`)
      return cost
    },
  }
}

/** A picker, or a bare function in its place. All are called in the same way. */
function timedPicker(name: string, picker: Picker): Contender {
  return timed(name, (request) => picker.pick(request))
}

function createPicker(balancer: Balancer, count: number): Picker {
  const weight = balancer.name.startsWith('weighted') ? (index: number) => 1 + (index % 5) : () => 1
  const endpoints = createTestEndpoints(Array.from({ length: count }, (_, index) => weight(index)))
  return balancer.createPicker(createTestView(endpoints))
}

function balanced(balancer: Balancer, count: number): Contender {
  return timedPicker(`${balancer.name}, n = ${count}`, createPicker(balancer, count))
}

/** Picks among endpoints in several places with measured latencies, for balancers that use these. */
function balancedMeasured(balancer: Balancer, count: number): Contender {
  return timedPicker(`${balancer.name}, measured, n = ${count}`, balancer.createPicker(createMeasuredView(count)))
}

/** Picks while 64 requests are in flight; the picker is notified of every start and end. */
function balancedUnderLoad(balancer: Balancer, count: number): Contender {
  const picker = createPicker(balancer, count)
  const held: (Endpoint | undefined)[] = new Array(64)
  let next = 0
  return timed(`${balancer.name} under load, n = ${count}`, (request) => {
    const picked = picker.pick(request)
    const ended = held[next]
    if (ended) release(ended, picker)
    held[next] = picked
    if (picked) acquire(picked, picker)
    next = (next + 1) & 63
    return picked
  })
}

/** Bytes that one pick leaves on the heap. Measured in a separate process, because other pickers would prevent optimization. */
function allocation(balancer: Balancer): number {
  const script = fileURLToPath(new URL('./allocation.ts', import.meta.url))
  return Number(execFileSync(process.execPath, ['--expose-gc', script, balancer.name], { encoding: 'utf8' }))
}

/** Minimum cost of sessions with a timeout: a lookup by key, and reading the clock. */
function bareTable(count: number): Contender {
  const endpoints = createTestEndpoints(new Array<number>(count).fill(1))
  const table = new Map(requests.map(({ hashKey = '' }, index) => [hashKey, endpoints[index % count]]))
  const limit = performance.now() + 3_600_000
  return timed('bare Map and clock', ({ hashKey = '' }) => (performance.now() > limit ? undefined : table.get(hashKey)))
}

/** Minimum cost of a ring: FNV-1a and a binary search in a typed array. */
function bareRing(count: number): Contender {
  const hashes = Uint32Array.from({ length: count * 150 }, (_, index) => fnv(`node-${index}`)).sort()
  const endpoints = createTestEndpoints(new Array<number>(count).fill(1))
  return timed('typed-array FNV ring', ({ hashKey = '' }) => {
    const hash = fnv(hashKey)
    let low = 0
    let high = hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((hashes[middle] as number) < hash) low = middle + 1
      else high = middle
    }
    return endpoints[low % count]
  })
}

function fnv(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

/** Measures picks. */
export async function benchPicks(): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const bare = createTestEndpoints(new Array<number>(100).fill(1))
  let next = 0
  async function compare(subject: string, limit: number | undefined, baseline: Contender, contender: Contender): Promise<void> {
    const [, result] = await measurePaired([baseline, contender], rounds)
    if (!result) return
    const finding = { subject, measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} ns` }
    findings.push(limit === undefined ? finding : { ...finding, ...judgeRatio(result, limit) })
  }
  await compare(
    'random pick against a bare `Math.random` index',
    1.5,
    timedPicker('bare random', { pick: () => bare[Math.floor(Math.random() * bare.length)] }),
    balanced(createRandomBalancer(), 100),
  )
  await compare(
    'round-robin pick against a bare counter',
    1.5,
    timedPicker('bare counter', {
      pick() {
        next = next + 1 === bare.length ? 0 : next + 1
        return bare[next]
      },
    }),
    balanced(createRoundRobinBalancer(), 100),
  )
  await compare(
    'smooth weighted pick, n = 1,000 against n = 100',
    2,
    balanced(createWeightedRoundRobinBalancer(), 100),
    balanced(createWeightedRoundRobinBalancer(), 1_000),
  )
  await compare(
    'least-active pick with load, n = 1,000 against n = 100',
    2,
    balancedUnderLoad(createLeastActiveBalancer(), 100),
    balancedUnderLoad(createLeastActiveBalancer(), 1_000),
  )
  await compare(
    'P2C pick by measured latencies against a random pick',
    3,
    balancedMeasured(createRandomBalancer(), 100),
    balancedMeasured(createP2cBalancer(), 100),
  )
  for (const balancer of createGeoBalancers()) {
    await compare(
      `${balancer.name} pick, four places, against a random pick`,
      undefined,
      balancedMeasured(createRandomBalancer(), 100),
      balancedMeasured(balancer, 100),
    )
  }
  await compare(
    'sticky pick of a known session against a bare Map lookup that also reads the clock',
    3,
    bareTable(100),
    balanced(createStickyBalancer({ balancer: createRandomBalancer() }), 100),
  )
  await compare(
    'consistent-hash pick against a typed-array FNV ring',
    1.3,
    bareRing(100),
    balanced(createConsistentHashBalancer(), 100),
  )
  const ring = new HashRing(
    bare.map(({ key }) => key),
    'md5',
    { 'max cache size': 1, 'vnode count': 150 },
  )
  await compare(
    'consistent-hash pick against uncached `hashring`',
    0.12,
    timed('hashring', ({ hashKey = '' }) => ring.get(hashKey)),
    balanced(createConsistentHashBalancer(), 100),
  )
  for (const balancer of createBalancers()) {
    const bytes = allocation(balancer)
    findings.push({
      subject: `bytes left by a ${balancer.name} pick`,
      measured: `${bytes.toFixed(2)} B`,
      goal: 'none (< 1 B)',
      met: bytes < 1,
    })
  }
  return findings
}

import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import type { Endpoint, Picker } from '@sd/core'
import { balancerContract, countPicks, createSeededRandom } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLowestLatencyBalancer, type LowestLatencyBalancerOptions } from './index.ts'
import { createEndpoints, createHealthView } from './testing/endpoints.ts'

const regions = ['eu', 'us', 'ap']

/** Virtual time, in milliseconds. */
let now = 1_000

beforeEach(() => {
  now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})

afterEach(() => {
  vi.restoreAllMocks()
})

function regionOf(endpoint: Endpoint | undefined): string {
  return endpoint?.instance.locality?.region ?? 'none'
}

function createRegions(count: number): Endpoint[] {
  return createEndpoints(
    Array.from({ length: 3 * count }, (_, index) => ({ locality: { region: regions[index % 3] as string } })),
  )
}

/** Sends this number of requests per millisecond of virtual time. Returns where they went. */
function serve(picker: Picker, count: number, latencies: Readonly<Record<string, number>>): Record<string, number> {
  const served: Record<string, number> = { eu: 0, us: 0, ap: 0 }
  for (let index = 0; index < count; index++) {
    now++
    const endpoint = picker.pick({})
    const region = regionOf(endpoint)
    served[region] = (served[region] ?? 0) + 1
    endpoint?.acquire()
    endpoint?.release({ ok: true, latencyMs: latencies[region] ?? 1 })
  }
  return served
}

function createPicker(endpoints: readonly Endpoint[], options: Partial<LowestLatencyBalancerOptions> = {}): Picker {
  const random = createSeededRandom(7)
  const geo = createLowestLatencyBalancer({ balancer: createRoundRobinBalancer(), random, ...options })
  return geo.createPicker(createHealthView(endpoints, () => true))
}

describe('balancer contract', () => {
  const create = () => createLowestLatencyBalancer({ balancer: createRandomBalancer() })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

describe('the fastest region', () => {
  test('is found by one request to each, and gets nearly all', () => {
    const picker = createPicker(createRegions(4))
    expect(serve(picker, 3, { eu: 50, us: 20, ap: 90 })).toEqual({ eu: 1, us: 1, ap: 1 })
    now += 1_000
    const served = serve(picker, 20_000, { eu: 50, us: 20, ap: 90 })
    expect(served['us']).toBeGreaterThan(19_800)
    expect(served['eu']).toBeGreaterThan(20)
    expect(served['ap']).toBeGreaterThan(20)
  })

  test('keeps the first place while another one is not clearly faster', () => {
    const picker = createPicker(createRegions(1), { exploration: 0.3 })
    serve(picker, 2_000, { eu: 50, us: 20, ap: 90 })
    for (let round = 0; round < 10; round++) {
      const served = serve(picker, 2_000, { eu: 17 + (round % 2) * 6, us: 20, ap: 90 })
      if (round > 1) expect(served['us']).toBeGreaterThan(served['eu'] as number)
    }
    serve(picker, 120_000, { eu: 10, us: 20, ap: 90 })
    const served = serve(picker, 2_000, { eu: 10, us: 20, ap: 90 })
    expect(served['eu']).toBeGreaterThan(served['us'] as number)
  })

  test('keeps the first place if the difference is under a millisecond', () => {
    const picker = createPicker(createRegions(1), { exploration: 0 })
    serve(picker, 2_000, { eu: 0.9, us: 0.5, ap: 5 })
    const before = serve(picker, 2_000, { eu: 0.9, us: 0.5, ap: 5 })
    const first = Object.keys(before).find((region) => before[region] === 2_000)
    expect(first).toBeDefined()
    expect(serve(picker, 2_000, { eu: 0.5, us: 0.9, ap: 5 })[first as string]).toBe(2_000)
  })

  test('is measured again: one that was slow can return', () => {
    const picker = createPicker(createRegions(4))
    serve(picker, 10_000, { eu: 10, us: 500, ap: 500 })
    expect(serve(picker, 10_000, { eu: 10, us: 500, ap: 500 })['eu']).toBeGreaterThan(9_800)
    serve(picker, 60_000, { eu: 200, us: 20, ap: 500 })
    expect(serve(picker, 10_000, { eu: 200, us: 20, ap: 500 })['us']).toBeGreaterThan(9_800)
  })

  test('is not changed by one slow endpoint', () => {
    const endpoints = createRegions(3)
    for (const endpoint of endpoints) {
      endpoint.acquire()
      endpoint.release({ ok: true, latencyMs: { eu: 10, us: 30, ap: 90 }[regionOf(endpoint)] ?? 0 })
    }
    endpoints[0]?.acquire()
    endpoints[0]?.release({ ok: false })
    expect(endpoints[0]?.latencyMs).toBe(1_000)
    const served = countPicks(createPicker(endpoints, { exploration: 0 }), 300)
    expect(endpoints.map(({ key }) => served.get(key) ?? 0)).toEqual([100, 0, 0, 100, 0, 0, 100, 0, 0])
  })

  test('keeps the first place in the next view, and loses it with its endpoints', () => {
    const endpoints = createRegions(2)
    const balancer = createRoundRobinBalancer()
    const geo = createLowestLatencyBalancer({ balancer, exploration: 0 })
    const latencies = { eu: 50, us: 20, ap: 90 }
    const before = geo.createPicker(createHealthView(endpoints, () => true))
    serve(before, 2_000, latencies)
    const after = geo.createPicker(
      createHealthView(endpoints, () => true),
      before,
    )
    expect(serve(after, 500, { ...latencies, eu: 18 })['us']).toBe(500)
    const without = geo.createPicker(
      createHealthView(endpoints, (endpoint) => regionOf(endpoint) !== 'us'),
      after,
    )
    expect(serve(without, 500, latencies)['eu']).toBe(500)
  })

  test('keeps the first place with other endpoints, unless others are clearly faster', () => {
    const geo = createLowestLatencyBalancer({ balancer: createRoundRobinBalancer(), exploration: 0 })
    const measured = (latencies: Readonly<Record<string, number>>) => {
      const endpoints = createRegions(1)
      for (const endpoint of endpoints) {
        endpoint.acquire()
        endpoint.release({ ok: true, latencyMs: latencies[regionOf(endpoint)] ?? 0 })
      }
      return createHealthView(endpoints, () => true)
    }
    const before = geo.createPicker(measured({ eu: 50, us: 20, ap: 90 }))
    const after = geo.createPicker(measured({ eu: 18, us: 20, ap: 90 }), before)
    expect(regionOf(after.pick({}))).toBe('us')
    const later = geo.createPicker(measured({ eu: 10, us: 20, ap: 90 }), after)
    expect(regionOf(later.pick({}))).toBe('eu')
  })

  test('spills over to the next fastest', () => {
    const endpoints = createRegions(2)
    const geo = createLowestLatencyBalancer({
      balancer: createRoundRobinBalancer(),
      exploration: 0,
      random: createSeededRandom(3),
    })
    const latencies = { eu: 50, us: 20, ap: 90 }
    const picker = geo.createPicker(createHealthView(endpoints, (endpoint) => endpoint !== endpoints[1]))
    serve(picker, 2_000, latencies)
    const served = serve(picker, 10_000, latencies)
    expect(served['us']).toBeGreaterThan(6_800)
    expect(served['us']).toBeLessThan(7_200)
    expect(served['ap']).toBe(0)
  })
})

test('a region that does not respond gets one request per second', () => {
  const endpoints = createRegions(2)
  const picker = createPicker(endpoints, { exploration: 0 })
  let tried = 0
  for (let index = 0; index < 10_000; index++) {
    now++
    const endpoint = picker.pick({})
    endpoint?.acquire()
    if (regionOf(endpoint) === 'ap') tried++
    else endpoint?.release({ ok: true, latencyMs: 5 })
  }
  expect(tried).toBeGreaterThanOrEqual(9)
  expect(tried).toBeLessThanOrEqual(11)
})

test('compares zones with by: zone', () => {
  const localities = [{ region: 'eu', zone: 'a' }, { region: 'eu', zone: 'b' }, { region: 'us', zone: 'a' }, {}]
  const endpoints = createEndpoints(localities.map((locality) => ({ locality })))
  for (const [index, endpoint] of endpoints.entries()) {
    endpoint.acquire()
    endpoint.release({ ok: true, latencyMs: [50, 20, 70, 90][index] ?? 0 })
  }
  const picker = createPicker(endpoints, { by: 'zone', exploration: 0 })
  expect([...countPicks(picker, 100).keys()]).toEqual([endpoints[1]?.key])
  endpoints[1]?.block('test')
  expect([...countPicks(picker, 100).keys()]).toEqual([endpoints[0]?.key])
})

test('rejects invalid options', () => {
  const balancer = createRandomBalancer()
  const create = (options: object) => () => createLowestLatencyBalancer({ balancer, ...options } as never)
  expect(() => createLowestLatencyBalancer(undefined as never)).toThrow('Invalid options')
  expect(create({ by: 'rack' })).toThrow('Invalid by')
  expect(create({ hysteresis: -1 })).toThrow('Invalid hysteresis')
  expect(create({ exploration: 2 })).toThrow('Invalid exploration')
  expect(create({ balancer: undefined })).toThrow('Invalid balancer')
  expect(create({ groupBy: 'zone' })).toThrow('Invalid groupBy: unknown field')
})

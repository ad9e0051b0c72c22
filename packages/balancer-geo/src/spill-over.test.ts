import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import type { Balancer, Endpoint, Locality } from '@sd/core'
import { createSeededRandom } from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLocalityBalancer } from './index.ts'
import { createEndpoints, createHealthView, sweep } from './testing/endpoints.ts'

const local: Locality = { region: 'eu', zone: 'a', subZone: 'rack-1' }

/** A locality of each level, closest first. */
const levels: readonly Locality[] = [local, { region: 'eu', zone: 'a' }, { region: 'eu' }, {}]

/** Envoy's arithmetic, step by step. */
function expectedLoads(
  counts: readonly { readonly healthy: number; readonly all: number }[],
  overprovisioning: number,
): number[] {
  const health = counts.map(({ healthy, all }) => (all === 0 ? 0 : Math.min(1, (healthy / all) * overprovisioning)))
  const total = Math.min(
    1,
    health.reduce((sum, one) => sum + one, 0),
  )
  let left = 1
  return health.map((one) => {
    const load = total === 0 ? 0 : Math.min(left, one / total)
    left -= load
    return load
  })
}

describe('spill-over', () => {
  test('follows the model for any health', () => {
    const count = fc.nat(8).chain((all) => fc.record({ all: fc.constant(all), healthy: fc.nat(all) }))
    fc.assert(
      fc.property(
        fc.array(count, { minLength: 4, maxLength: 4 }),
        fc.double({ min: 1, max: 3, noNaN: true }),
        (counts, overprovisioning) => {
          const members = counts.map(({ all }, level) =>
            createEndpoints(
              Array.from({ length: all }, (_, index) => ({
                id: `${level}-${index}`,
                ...(levels[level] && { locality: levels[level] }),
              })),
            ),
          )
          const isHealthy = (endpoint: Endpoint): boolean =>
            members.some((list, level) => list.slice(0, counts[level]?.healthy).includes(endpoint))
          const geo = createLocalityBalancer({
            local,
            balancer: createRoundRobinBalancer(),
            overprovisioning,
            random: sweep(1_000),
          })
          const picker = geo.createPicker(createHealthView(members.flat(), isHealthy))
          const picked = members.map(() => 0)
          for (let pick = 0; pick < 1_000; pick++) {
            const endpoint = picker.pick({})
            const level = members.findIndex((list) => endpoint && list.includes(endpoint))
            if (level >= 0) picked[level] = (picked[level] ?? 0) + 1
          }
          for (const [level, load] of expectedLoads(counts, overprovisioning).entries()) {
            expect(Math.abs((picked[level] ?? 0) - load * 1_000)).toBeLessThan(1.5)
          }
        },
      ),
    )
  })

  test('finds an available endpoint if there is one', () => {
    const state = fc.record({ level: fc.nat(3), isHealthy: fc.boolean(), isBlocked: fc.boolean(), isAttempted: fc.boolean() })
    fc.assert(
      fc.property(fc.array(state, { maxLength: 12 }), fc.integer(), (states, seed) => {
        const endpoints = createEndpoints(states.map(({ level }) => ({ ...(levels[level] && { locality: levels[level] }) })))
        const stateOf = (endpoint: Endpoint) => states[endpoints.indexOf(endpoint)]
        for (const endpoint of endpoints) if (stateOf(endpoint)?.isBlocked) endpoint.block('test')
        const attempted = endpoints.filter((endpoint) => stateOf(endpoint)?.isAttempted)
        const view = createHealthView(endpoints, (endpoint) => stateOf(endpoint)?.isHealthy ?? false)
        const pickable = view.endpoints.filter((endpoint) => endpoint.available && !attempted.includes(endpoint))
        const geo = createLocalityBalancer({ local, balancer: createRandomBalancer(), random: createSeededRandom(seed) })
        const picker = geo.createPicker(view)
        for (let pick = 0; pick < 20; pick++) {
          const endpoint = picker.pick({ attempted })
          if (pickable.length === 0) expect(endpoint).toBeUndefined()
          else expect(pickable).toContain(endpoint)
        }
      }),
    )
  })
})

describe('a busy endpoint', () => {
  const endpoints = createEndpoints([{ locality: { zone: 'a' } }, { locality: { zone: 'b' } }])
  const [near, far] = endpoints as [Endpoint, Endpoint]
  const view = createHealthView(endpoints, () => true)
  const options = { local: { zone: 'a' }, balancer: createRoundRobinBalancer() }

  test('yields to the next group, and is picked if all are busy', () => {
    const picker = createLocalityBalancer({ ...options, maxActive: 2 }).createPicker(view)
    const picked: (Endpoint | undefined)[] = []
    for (let pick = 0; pick < 5; pick++) {
      const endpoint = picker.pick({})
      endpoint?.acquire()
      picked.push(endpoint)
    }
    expect(picked).toEqual([near, near, far, far, near])
    near.block('test')
    expect(picker.pick({})).toBe(far)
    near.unblock('test')
    for (const endpoint of picked) endpoint?.release({ ok: true, latencyMs: 1 })
    expect(picker.pick({})).toBe(near)
  })

  test('does not exist without maxActive', () => {
    const picker = createLocalityBalancer(options).createPicker(view)
    for (let pick = 0; pick < 100; pick++) {
      const endpoint = picker.pick({})
      expect(endpoint).toBe(near)
      endpoint?.acquire()
    }
  })
})

describe('inner pickers', () => {
  const endpoints = createEndpoints([{ locality: { zone: 'a' } }, { locality: { zone: 'b' } }, { locality: { zone: 'a' } }])

  test('get their group as a view, are kept, and receive changes', () => {
    const seen: { keys: string[]; candidates: number | undefined; hadPrevious: boolean }[] = []
    const received: string[] = []
    const inner: Balancer = {
      name: 'inner',
      createPicker(view, previous) {
        const keys = view.endpoints.map(({ instance }) => instance.id)
        seen.push({ keys, candidates: view.candidates?.length, hadPrevious: previous !== undefined })
        return { pick: () => view.endpoints[0], changed: ({ instance }) => received.push(`${keys[0]} receives ${instance.id}`) }
      },
    }
    const geo = createLocalityBalancer({ local: { zone: 'a' }, balancer: inner })
    expect(geo.name).toBe('locality-inner')
    const first = geo.createPicker(createHealthView(endpoints, (endpoint) => endpoint !== endpoints[2]))
    const second = geo.createPicker(
      createHealthView(endpoints.slice(1), () => true),
      first,
    )
    expect(seen).toEqual([
      { keys: ['orders-0'], candidates: 2, hadPrevious: false },
      { keys: ['orders-1'], candidates: 1, hadPrevious: false },
      { keys: ['orders-1'], candidates: 1, hadPrevious: true },
      { keys: ['orders-2'], candidates: 1, hadPrevious: true },
    ])
    for (const endpoint of endpoints) second.changed?.(endpoint)
    expect(received).toEqual(['orders-1 receives orders-1', 'orders-2 receives orders-2'])
    createLocalityBalancer({ local: { zone: 'a' }, balancer: inner }).createPicker(
      createHealthView(endpoints, () => true),
      second,
    )
    expect(
      seen.slice(4).map(({ hadPrevious }) => hadPrevious),
      'of another balancer',
    ).toEqual([false, false])
  })

  test('receive only responses of their own endpoints', () => {
    const received: string[] = []
    const inner: Balancer = {
      name: 'inner',
      createPicker: ({ endpoints: group }) => ({
        pick: () => undefined,
        responded: ({ instance }) => received.push(`${group.length}: ${instance.id}`),
      }),
    }
    const geo = createLocalityBalancer({ local: { zone: 'a' }, balancer: inner })
    const picker = geo.createPicker(createHealthView(endpoints, () => true))
    for (const endpoint of endpoints) picker.responded?.(endpoint, {})
    expect(received).toEqual(['2: orders-0', '1: orders-1', '2: orders-2'])
    expect(picker.changed).toBeUndefined()
  })

  test('that need no notifications cause none', () => {
    const geo = createLocalityBalancer({ local: { zone: 'a' }, balancer: createRandomBalancer() })
    expect(geo.createPicker(createHealthView(endpoints, () => true)).changed).toBeUndefined()
  })
})

import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import type { Endpoint, Locality } from '@sd/core'
import { assertDistribution, balancerContract, countPicks, createSeededRandom } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createLocalityBalancer } from './index.ts'
import { createEndpoints, createHealthView } from './testing/endpoints.ts'

const balancer = createRoundRobinBalancer()
const local: Locality = { region: 'eu', zone: 'a', subZone: 'rack-1' }

describe('balancer contract', () => {
  const create = () => createLocalityBalancer({ local, balancer: createRandomBalancer() })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

test('the closest healthy level gets everything; if it is removed, the next one does', () => {
  const endpoints = createEndpoints([
    { locality: { region: 'us', zone: 'a', subZone: 'rack-1' } },
    { locality: { region: 'eu', zone: 'b', subZone: 'rack-1' } },
    { locality: { region: 'eu', zone: 'a', subZone: 'rack-2' } },
    { locality: { region: 'eu', zone: 'a', subZone: 'rack-1' } },
  ])
  const geo = createLocalityBalancer({ local, balancer })
  for (let level = endpoints.length; level > 0; level--) {
    const picker = geo.createPicker(createHealthView(endpoints, (endpoint) => endpoints.indexOf(endpoint) < level))
    expect([...countPicks(picker, 100).keys()]).toEqual([endpoints[level - 1]?.key])
  }
})

test('only the given parts are compared', () => {
  const endpoints = createEndpoints([{}, { locality: { region: 'eu' } }, { locality: { zone: 'a' } }])
  const [, inRegion, inZone] = endpoints
  const view = createHealthView(endpoints, () => true)
  const byRegion = createLocalityBalancer({ local: { region: 'eu' }, balancer }).createPicker(view)
  expect(countPicks(byRegion, 10).get(inRegion?.key ?? '')).toBe(10)
  const byZone = createLocalityBalancer({ local: { zone: 'a' }, balancer }).createPicker(view)
  expect(countPicks(byZone, 10).get(inZone?.key ?? '')).toBe(10)
})

test('instances without a locality come last, and get everything if none has a locality', () => {
  const endpoints = createEndpoints([{}, { locality: { region: 'us' } }, { locality: { region: 'eu', zone: 'b' } }])
  const geo = createLocalityBalancer({ local, balancer })
  const picker = geo.createPicker(createHealthView(endpoints, (endpoint) => endpoint !== endpoints[2]))
  expect(countPicks(picker, 100).size).toBe(2)
})

/** Share of picks of a zone of 20, `healthy` of which are healthy, beside a healthy zone. */
function localShare(healthy: number, seed: number): number {
  const endpoints = createEndpoints(Array.from({ length: 40 }, (_, index) => ({ locality: { zone: index < 20 ? 'a' : 'b' } })))
  const isHealthy = (endpoint: Endpoint): boolean => endpoints.indexOf(endpoint) < healthy || endpoints.indexOf(endpoint) >= 20
  const geo = createLocalityBalancer({ local: { zone: 'a' }, balancer, random: createSeededRandom(seed) })
  const counts = countPicks(geo.createPicker(createHealthView(endpoints, isHealthy)), 20_000)
  return endpoints.slice(0, 20).reduce((sum, { key }) => sum + (counts.get(key) ?? 0), 0) / 20_000
}

test('a half-healthy local zone keeps 70 ± 2 %', () => {
  for (let seed = 0; seed < 10; seed++) {
    expect(localShare(10, seed)).toBeGreaterThan(0.68)
    expect(localShare(10, seed)).toBeLessThan(0.72)
  }
})

test('the table of Envoy’s documentation', () => {
  const shares = [20, 15, 14, 5, 0].map((healthy) => localShare(healthy, 1))
  for (const [index, expected] of [1, 1, 0.98, 0.35, 0].entries()) expect(shares[index]).toBeCloseTo(expected, 1)
})

test('weights apply within a level', () => {
  const weights = [1, 2, 5, 3, 0]
  const endpoints = createEndpoints(weights.map((weight, index) => ({ weight, locality: { zone: index < 3 ? 'a' : 'b' } })))
  const inner = createRandomBalancer({ random: createSeededRandom(3) })
  const geo = createLocalityBalancer({ local: { zone: 'a' }, balancer: inner })
  const picker = geo.createPicker(createHealthView(endpoints, () => true))
  assertDistribution(countPicks(picker, 20_000), endpoints, [1, 2, 5, 0, 0])
})

test('rejects invalid options', () => {
  const create = (options: object) => () => createLocalityBalancer(options as never)
  expect(() => createLocalityBalancer(undefined as never)).toThrow('Invalid options')
  expect(create({ balancer })).toThrow('Invalid local')
  expect(create({ balancer, local: {} })).toThrow('at least one of region, zone, subZone')
  expect(create({ balancer, local: { zone: '' } })).toThrow('Invalid local.zone')
  expect(create({ balancer, local: { rack: 'a' } })).toThrow('Invalid local.rack: unknown field')
  expect(create({ local })).toThrow('Invalid balancer')
  expect(create({ local, balancer: {} })).toThrow('Invalid balancer.createPicker')
  expect(create({ local, balancer, overprovisioning: 0.5 })).toThrow('Invalid overprovisioning')
  expect(create({ local, balancer, maxActive: 0 })).toThrow('Invalid maxActive')
  expect(create({ local, balancer, random: 1 })).toThrow('Invalid random')
  expect(create({ local, balancer, inner: balancer })).toThrow('Invalid inner: unknown field')
})

import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { type Endpoint, forwardedAddress } from '@sd/core'
import { balancerContract, countPicks } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { type Coordinates, createNearestBalancer, type GeoLookup } from './index.ts'
import { createEndpoints, createHealthView, sweep } from './testing/endpoints.ts'

const frankfurt: Coordinates = { latitude: 50.11, longitude: 8.68 }
const offenbach: Coordinates = { latitude: 50.1, longitude: 8.77 }
const paris: Coordinates = { latitude: 48.86, longitude: 2.35 }
const newYork: Coordinates = { latitude: 40.71, longitude: -74.01 }
const boston: Coordinates = { latitude: 42.36, longitude: -71.06 }
const suva: Coordinates = { latitude: -18.14, longitude: 178.44 }
const apia: Coordinates = { latitude: -13.83, longitude: -171.77 }

const balancer = createRoundRobinBalancer()

function placed({ latitude, longitude }: Coordinates): { metadata: Record<string, string> } {
  return { metadata: { 'geo.latitude': String(latitude), 'geo.longitude': String(longitude) } }
}

const addresses: Readonly<Record<string, Coordinates>> = { '203.0.113.1': boston, '203.0.113.2': paris, '203.0.113.3': suva }
const lookup: GeoLookup = { lookup: (address) => addresses[address] }

describe('balancer contract', () => {
  const create = () => createNearestBalancer({ local: paris, balancer: createRandomBalancer() })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

describe('balancer contract, all at one site, for clients', () => {
  const create = () =>
    createNearestBalancer({
      local: paris,
      balancer: createRandomBalancer(),
      lookup: { lookup: () => newYork },
      client: ({ hashKey }) => hashKey,
    })
  for (const { name, run } of balancerContract({ create })) test(name, run)
})

describe('the nearest site', () => {
  test('gets everything, then the next nearest, and unknown locations last', () => {
    const places = [newYork, frankfurt, suva, undefined, paris]
    const endpoints = createEndpoints(places.map((place) => (place ? placed(place) : {})))
    const geo = createNearestBalancer({ local: offenbach, balancer })
    let view = createHealthView(endpoints, () => true)
    const picked: (Coordinates | undefined)[] = []
    while (view.endpoints.length > 0) {
      const picker = geo.createPicker(view)
      const endpoint = picker.pick({}) as Endpoint
      expect(countPicks(picker, 20).size).toBe(1)
      picked.push(places[endpoints.indexOf(endpoint)])
      const left = view.endpoints.filter((one) => one !== endpoint)
      view = createHealthView(endpoints, (one) => left.includes(one))
    }
    expect(picked).toEqual([frankfurt, paris, newYork, suva, undefined])
  })

  test('spills over to the next nearest when half of it is healthy', () => {
    const endpoints = createEndpoints([frankfurt, frankfurt, paris, newYork].map(placed))
    const geo = createNearestBalancer({ local: frankfurt, balancer, random: sweep(1_000) })
    const counts = countPicks(geo.createPicker(createHealthView(endpoints, (one) => one !== endpoints[0])), 1_000)
    expect(endpoints.map(({ key }) => counts.get(key))).toEqual([undefined, 700, 300, undefined])
  })

  test('includes everything within the tolerance', () => {
    const endpoints = createEndpoints([frankfurt, offenbach, paris].map(placed))
    const view = createHealthView(endpoints, () => true)
    const near = countPicks(createNearestBalancer({ local: frankfurt, balancer }).createPicker(view), 100)
    expect(endpoints.map(({ key }) => near.get(key))).toEqual([50, 50, undefined])
    const exact = countPicks(createNearestBalancer({ local: frankfurt, balancer, toleranceKm: 1 }).createPicker(view), 100)
    expect(exact.size).toBe(1)
    const wide = countPicks(createNearestBalancer({ local: frankfurt, balancer, toleranceKm: 600 }).createPicker(view), 99)
    expect(wide.size).toBe(3)
  })

  test('may be beyond the date line', () => {
    const endpoints = createEndpoints([newYork, apia].map(placed))
    const picker = createNearestBalancer({ local: suva, balancer }).createPicker(createHealthView(endpoints, () => true))
    expect(picker.pick({})).toBe(endpoints[1])
  })
})

describe('the place of an instance', () => {
  test('is in its metadata, otherwise found by its address', () => {
    const endpoints = createEndpoints([
      { address: '203.0.113.1' },
      { address: '203.0.113.2', ...placed(newYork) },
      { address: '203.0.113.9' },
    ])
    const view = createHealthView(endpoints, () => true)
    const pick = (local: Coordinates | string) => createNearestBalancer({ local, lookup, balancer }).createPicker(view).pick({})
    expect(pick(newYork)).toBe(endpoints[1])
    expect(pick(boston)).toBe(endpoints[0])
    expect(pick('203.0.113.1')).toBe(endpoints[0])
  })

  test.each([
    ['', '1'],
    [' ', '1'],
    ['north', '1'],
    ['91', '1'],
    ['1', '-181'],
    ['Infinity', '1'],
  ])('is not in metadata of %j and %j', (latitude, longitude) => {
    const endpoints = createEndpoints([{ metadata: { 'geo.latitude': latitude, 'geo.longitude': longitude } }, placed(suva)])
    const geo = createNearestBalancer({ local: { latitude: 0, longitude: 0 }, balancer })
    expect(geo.createPicker(createHealthView(endpoints, () => true)).pick({})).toBe(endpoints[1])
  })
})

describe('for clients', () => {
  const endpoints = createEndpoints([frankfurt, newYork, apia].map(placed))
  const view = createHealthView(endpoints, () => true)

  test('picks the instances nearest to each client, and those nearest to `local` for unknown ones', () => {
    const geo = createNearestBalancer({ local: frankfurt, lookup, client: forwardedAddress({ trustedProxies: 1 }), balancer })
    const picker = geo.createPicker(view)
    const pick = (address: string) => picker.pick({ headers: { 'x-forwarded-for': `6.6.6.6, ${address}, 10.0.0.1` } } as never)
    expect(pick('203.0.113.1')).toBe(endpoints[1])
    expect(pick('203.0.113.2')).toBe(endpoints[0])
    expect(pick('203.0.113.3')).toBe(endpoints[2])
    expect(pick('192.0.2.1')).toBe(endpoints[0])
    expect(picker.pick({})).toBe(endpoints[0])
  })

  test('all clients share the pickers of the sites', () => {
    const many = createEndpoints([newYork, newYork].map(placed))
    const client = ({ hashKey }: { hashKey?: string | undefined }) => hashKey
    const geo = createNearestBalancer({ local: frankfurt, lookup, client, balancer })
    const picker = geo.createPicker(createHealthView(many, () => true))
    expect(picker.pick({ hashKey: '203.0.113.1' })).not.toBe(picker.pick({ hashKey: '203.0.113.2' }))
  })
})

test('rejects invalid options', () => {
  const create = (options: object) => () => createNearestBalancer({ balancer, ...options } as never)
  expect(() => createNearestBalancer(undefined as never)).toThrow('Invalid options')
  expect(create({})).toThrow('Invalid local')
  expect(create({ local: { latitude: 91, longitude: 0 } })).toThrow('Invalid local.latitude')
  expect(create({ local: { latitude: 0 } })).toThrow('Invalid local.longitude')
  expect(create({ local: { latitude: 0, longitude: 0, city: 'x' } })).toThrow('Invalid local.city: unknown field')
  expect(create({ local: '203.0.113.1' })).toThrow('Invalid local: got "203.0.113.1"')
  expect(create({ local: '192.0.2.1', lookup })).toThrow('Invalid local: got "192.0.2.1"')
  expect(create({ local: paris, lookup: {} })).toThrow('Invalid lookup.lookup')
  expect(create({ local: paris, client: forwardedAddress() })).toThrow('Invalid lookup')
  expect(create({ local: paris, lookup, client: 'header' })).toThrow('Invalid client')
  expect(create({ local: paris, toleranceKm: 0 })).toThrow('Invalid toleranceKm')
  expect(create({ local: paris, radiusKm: 1 })).toThrow('Invalid radiusKm: unknown field')
})

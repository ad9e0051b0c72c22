import { describe, expect, test } from 'vitest'
import { createLeaseClock, type Lease } from './lease-clock.ts'

const serverNow = Date.UTC(2026)

/** A lease of 10 s. @param ageSeconds time since its renewal by the server's clock */
function lease(name: string, renewal: number, ageSeconds: number = 0): Lease {
  const time = new Date(serverNow - ageSeconds * 1_000).toISOString()
  return {
    metadata: { name, creationTimestamp: '2025-01-01T00:00:00Z', managedFields: [{ time }] },
    spec: { leaseDurationSeconds: 10, renewTime: `${renewal}` },
  }
}

function listing(items: readonly Lease[], tookMs: number = 5): Parameters<ReturnType<typeof createLeaseClock>['list']>[0] {
  return { items, version: '1', serverTime: serverNow, tookMs }
}

describe('the lease clock', () => {
  let now = 0
  const start = (): ReturnType<typeof createLeaseClock> => {
    now = 100_000
    return createLeaseClock(() => now)
  }

  test("the first observation uses the server's clock, with a second of tolerance", () => {
    const clock = start()
    clock.list(listing([lease('fresh', 1, 1), lease('old', 1, 10), lease('dead', 1, 12)]))
    expect([...clock.alive()]).toEqual(['fresh', 'old'])
    expect(clock.nextEnd()).toBe(101_000)
    now += 1_000
    expect([...clock.alive()]).toEqual(['fresh'])
  })

  test('without a time of the server a lease is treated as just renewed', () => {
    const clock = start()
    clock.list({ ...listing([lease('a', 1, 99)]), serverTime: undefined })
    const timeless = { metadata: { name: 'b' }, spec: { leaseDurationSeconds: 10 } }
    clock.list(listing([timeless, { metadata: { name: 'c' } }]))
    expect([...clock.alive()]).toEqual(['b'])
  })

  test('only a renewal extends it', () => {
    const clock = start()
    clock.list(listing([lease('a', 1)]))
    now += 6_000
    clock.change(lease('a', 1), true)
    clock.list(listing([lease('a', 1)]))
    expect(clock.nextEnd()).toBe(110_000)
    clock.change(lease('a', 2), true)
    expect(clock.nextEnd()).toBe(116_000)
    clock.change(lease('a', 2), false)
    expect([...clock.alive()]).toEqual([])
    expect(clock.nextEnd()).toBeUndefined()
  })

  test('after an outage each lease that was not expired gets its full duration again', () => {
    const clock = start()
    clock.list(listing([lease('a', 1), lease('dead', 1, 30)]))
    now += 9_000
    clock.interrupt()
    now += 60_000
    clock.list(listing([lease('a', 1, 69), lease('dead', 1, 99), lease('new', 1, 69)]))
    expect([...clock.alive()]).toEqual(['a', 'new'])
    now += 10_001
    clock.list(listing([lease('a', 2), lease('new', 1, 80)]))
    expect([...clock.alive()]).toEqual(['a'])
  })

  test('a delayed response is an outage, but constantly slow responses are not', () => {
    const clock = start()
    clock.list(listing([lease('a', 1)]))
    now += 11_000
    clock.list(listing([lease('a', 1)], 4_000))
    expect([...clock.alive()]).toEqual(['a'])
    now += 11_000
    clock.list(listing([lease('a', 1)], 4_000))
    expect([...clock.alive()]).toEqual([])
  })

  test('an expired lease is alive again after a renewal', () => {
    const clock = start()
    clock.list(listing([lease('a', 1, 60)]))
    clock.interrupt()
    clock.list(listing([lease('a', 1, 60)]))
    expect([...clock.alive()]).toEqual([])
    clock.change(lease('a', 2), true)
    expect([...clock.alive()]).toEqual(['a'])
  })
})

import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { type Coordinates, createCachedLookup } from './index.ts'

const here: Coordinates = { latitude: 1, longitude: 2 }

describe('a cached lookup', () => {
  test('looks up each address once, also unknown ones', () => {
    const lookup = vi.fn((address: string) => (address === 'known' ? here : undefined))
    const cached = createCachedLookup({ lookup: { lookup } })
    for (let round = 0; round < 3; round++) {
      expect(cached.lookup('known')).toBe(here)
      expect(cached.lookup('unknown')).toBeUndefined()
    }
    expect(lookup).toHaveBeenCalledTimes(2)
    expect(cached.size).toBe(2)
    cached.clear()
    expect(cached.size).toBe(0)
    expect(cached.lookup('known')).toBe(here)
    expect(lookup).toHaveBeenCalledTimes(3)
  })

  test('is bounded, keeps used entries, and returns the results of the lookup', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 300 }), fc.integer({ min: 2, max: 20 }), (addresses, maxEntries) => {
        const lookup = (address: string): Coordinates | undefined =>
          address.endsWith('3') ? undefined : { latitude: Number(address), longitude: 0 }
        const cached = createCachedLookup({ lookup: { lookup }, maxEntries })
        for (const address of addresses) {
          expect(cached.lookup(String(address))).toEqual(lookup(String(address)))
          expect(cached.size).toBeLessThanOrEqual(maxEntries)
        }
      }),
    )
    const lookup = vi.fn(() => here)
    const cached = createCachedLookup({ lookup: { lookup }, maxEntries: 10 })
    for (let index = 0; index < 1_000; index++) {
      cached.lookup('often')
      cached.lookup(`once-${index}`)
    }
    expect(lookup).toHaveBeenCalledTimes(1_001)
  })

  test('does not look up an address that is too long', () => {
    const lookup = vi.fn(() => here)
    const cached = createCachedLookup({ lookup: { lookup } })
    expect(cached.lookup('1'.repeat(256))).toBeUndefined()
    expect(lookup).not.toHaveBeenCalled()
  })

  test('rejects invalid options', () => {
    expect(() => createCachedLookup({} as never)).toThrow('Invalid lookup')
    expect(() => createCachedLookup({ lookup: {} } as never)).toThrow('Invalid lookup.lookup')
    expect(() => createCachedLookup({ lookup: { lookup: () => here }, maxEntries: 1 })).toThrow('Invalid maxEntries')
    expect(() => createCachedLookup({ size: 1 } as never)).toThrow('Invalid size: unknown field')
  })
})

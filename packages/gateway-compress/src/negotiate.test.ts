import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Coding } from './codings.ts'
import { negotiateCoding } from './negotiate.ts'

const all: readonly Coding[] = ['zstd', 'br', 'gzip']

describe('RFC 9110, 12.5.3', () => {
  test.each<[string | undefined, Coding | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['gzip, br', 'br'],
    ['gzip, br, zstd', 'zstd'],
    ['compress, gzip', 'gzip'],
    ['compress', undefined],
    ['deflate', undefined],
    ['GZip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['*', 'zstd'],
    ['*;q=0', undefined],
    ['gzip;q=1.0, identity; q=0.5, *;q=0', 'gzip'],
    ['gzip;q=0', undefined],
    ['gzip;q=0, *', 'zstd'],
    ['zstd;q=0, br;q=0, *;q=0.1', 'gzip'],
    ['gzip;q=0.5, br;q=0.4', 'gzip'],
    ['gzip;q=0.5, br;q=0.5', 'br'],
    ['br;q=0.001', 'br'],
    ['identity', undefined],
    ['identity, gzip', 'gzip'],
    ['identity;q=1, gzip;q=0.9', undefined],
    ['identity;q=0.5, gzip;q=0.9', 'gzip'],
    ['identity;q=0, gzip;q=0.1', 'gzip'],
    ['identity;q=0', undefined],
    ['identity;q=0, compress', undefined],
    ['identity;q=0, *', 'zstd'],
    ['gzip ; q=0.5 , br ; Q=0.6', 'br'],
    ['gzip;q=1.1, br;q=0.1', 'br'],
    ['gzip;q=-1', undefined],
    ['gzip;q=0.1234', undefined],
    ['gzip;level=9', undefined],
    ['gzip;q', undefined],
    ['gzip br', undefined],
    [',,gzip,', 'gzip'],
    ['gzip;q=0, gzip', undefined],
  ])('%j selects %s', (accepted, coding) => {
    expect(negotiateCoding(accepted, all)).toBe(coding)
  })

  test('a coding that the client refuses, or does not name, is never selected', () => {
    const name = fc.constantFrom('zstd', 'br', 'gzip', 'identity', 'compress')
    const list = fc.array(fc.tuple(name, fc.constantFrom(0, 0.3, 1)))
    fc.assert(
      fc.property(list, (elements) => {
        const selected = negotiateCoding(elements.map(([coding, q]) => `${coding};q=${q}`).join(', '), all)
        if (selected === undefined) return
        const [, q] = elements.find(([coding]) => coding === selected) ?? []
        expect(q).toBeGreaterThan(0)
      }),
    )
  })
})

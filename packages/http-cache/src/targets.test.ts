import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createHttpCache, type HttpCacheOptions } from './index.ts'
import { readPolicy } from './response-policy.ts'
import { exchange } from './testing/exchange.ts'

const start = Date.parse('2026-01-01T00:00:00Z')
beforeEach(() => void vi.useFakeTimers({ now: start, toFake: ['Date'] }))
afterEach(() => void vi.useRealTimers())

/** Where a request five seconds later is answered. */
async function second(headers: Readonly<Record<string, string>>, options: HttpCacheOptions, request = {}): Promise<string> {
  const cache = createHttpCache(options)
  await exchange(cache, { headers }, { headers: request })
  vi.setSystemTime(start + 5_000)
  return (await exchange(cache, { body: 'new' }, { headers: request })).from
}

const targets = ['Edge-Cache-Control', 'cdn-cache-control']

describe('a targeted field (RFC 9213)', () => {
  test.each<[string, Record<string, string>, 'cache' | 'service']>([
    ['allows what cache-control prohibits', { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=10' }, 'cache'],
    ['prohibits what cache-control allows', { 'cache-control': 'max-age=10', 'cdn-cache-control': 'no-store' }, 'service'],
    [
      'has no effect if it is not one of the list',
      { 'cache-control': 'no-store', 'other-cache-control': 'max-age=10' },
      'service',
    ],
    [
      'applies before later ones of the list',
      { 'edge-cache-control': 'max-age=1', 'cdn-cache-control': 'max-age=10' },
      'service',
    ],
    ['is skipped if it is not valid', { 'edge-cache-control': 'max-age=10,,', 'cdn-cache-control': 'max-age=10' }, 'cache'],
    ['is skipped if it is empty', { 'cache-control': 'max-age=10', 'cdn-cache-control': '' }, 'cache'],
    ['is skipped for upper case', { 'cache-control': 'max-age=10', 'cdn-cache-control': 'No-Store' }, 'cache'],
    ['replaces expires', { expires: new Date(start + 10_000).toUTCString(), 'cdn-cache-control': 'private' }, 'service'],
    ['has parameters that are ignored', { 'cdn-cache-control': 'max-age=10;a=1;b, x=(a b);c' }, 'cache'],
    ['has directives of unknown names', { 'cdn-cache-control': 'max-age=10, x="a,no-store", y=:aGk=:' }, 'cache'],
    ['means the last of two', { 'cdn-cache-control': 'max-age=1, max-age=10' }, 'cache'],
    ['may say no', { 'cdn-cache-control': 'max-age=10, no-store=?0' }, 'cache'],
    ['is skipped for a time of another type', { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age="10"' }, 'service'],
    ['has s-maxage too', { 'cdn-cache-control': 'max-age=1, s-maxage=10' }, 'cache'],
  ])('%s', async (_, headers, from) => {
    expect(await second(headers, { targets })).toBe(from)
  })

  test('allows responses to requests with authorization', async () => {
    const headers = { 'cache-control': 'max-age=10', 'cdn-cache-control': 'max-age=10, public' }
    const request = { authorization: 'Bearer a' }
    expect(await second(headers, { targets }, request)).toBe('cache')
    expect(await second(headers, {}, request)).toBe('service')
  })

  test('lets a stale response stand by its own words', async () => {
    const headers = { 'cache-control': 'max-age=1', 'cdn-cache-control': 'max-age=1, stale-while-revalidate=60' }
    const cache = createHttpCache({ targets })
    await exchange(cache, { headers })
    vi.setSystemTime(start + 5_000)
    const request = { method: 'GET', url: 'http://orders/1', rawHeaders: [], canRefresh: true }
    const { kind } = await cache.open(request)
    expect(kind).toBe('respond')
  })

  test('of any content is read without an error', () => {
    const part = fc.constantFrom('max-age', '=', '10', ',', ' ', ';', '"', '\\', '(', ')', '?0', ':', 'a', 'A', '*', '\t', '-')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 200 }), (parts) => {
        const { directives } = readPolicy(['cdn-cache-control', parts.join(''), 'cache-control', 'no-store'], { targets })
        expect(directives.size).toBeGreaterThan(0)
      }),
    )
  })
})

test.each<[HttpCacheOptions, string]>([
  [{ targets: 'cdn-cache-control' as never }, 'targets'],
  [{ targets: ['cache-control'] }, 'targets[0]'],
  [{ targets: ['cdn-cache-control', 'expires'] }, 'targets[1]'],
  [{ type: 'private', targets: ['cdn-cache-control'] }, 'targets'],
])('the options %j are refused at %s', (options, field) => {
  expect(() => createHttpCache(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

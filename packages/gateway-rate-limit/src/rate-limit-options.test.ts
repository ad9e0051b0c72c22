import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { describe, expect, test } from 'vitest'
import { createRateLimitFilter, type RateLimitParts } from './index.ts'

const limiters = {
  one: createMemoryRateLimiter({ limit: 5, windowMs: 1_000 }),
  two: createMemoryRateLimiter({ limit: 5, windowMs: 1_000 }),
}
const create = (options: Readonly<Record<string, unknown>>) =>
  createRateLimitFilter({ limiters })(options, {
    route: 'orders',
    path: 'routes[0].filters[0]',
    match: { path: '/users/{id}/*' },
  })

describe('the options', () => {
  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{}, 'limits'],
    [{ limits: [] }, 'limits'],
    [{ limits: [{}] }, 'limits[0].limiter'],
    [{ limits: [{ limiter: 'three' }] }, 'limits[0].limiter'],
    [{ limits: [{ limiter: 'one' }, { limiter: 'one' }] }, 'limits[1].limiter'],
    [{ limits: [{ limiter: 'one', cost: 0 }] }, 'limits[0].cost'],
    [{ limits: [{ limiter: 'one', cost: 6 }] }, 'limits[0].cost'],
    [{ limits: [{ limiter: 'one', rate: 6 }] }, 'limits[0].rate'],
    [{ limits: [{ limiter: 'one', key: 'address' }] }, 'limits[0].key'],
    [{ limits: [{ limiter: 'one', key: [] }] }, 'limits[0].key'],
    [{ limits: [{ limiter: 'one', key: ['route', 'none'] }] }, 'limits[0].key[1]'],
    [{ limits: [{ limiter: 'one', key: { header: 'a b' } }] }, 'limits[0].key.header'],
    [{ limits: [{ limiter: 'one', key: { header: 'a', cookie: 'b' } }] }, 'limits[0].key'],
    [{ limits: [{ limiter: 'one', key: { query: 'a' } }] }, 'limits[0].key'],
    [{ limits: [{ limiter: 'one', key: { cookie: 'a=b' } }] }, 'limits[0].key.cookie'],
    [{ limits: [{ limiter: 'one', key: ['route', { placeholder: 'name' }] }] }, 'limits[0].key[1].placeholder'],
    [{ limits: [{ limiter: 'one' }], exempt: ['10.0.0.0/33'] }, 'exempt[0]'],
    [{ limits: [{ limiter: 'one' }], dryRun: 'yes' }, 'dryRun'],
    [{ limiter: 'one' }, 'limiter'],
  ])('%j are refused for %s', (options, field) => {
    expect(() => create(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{ limiters: { '': limiters.one } }, 'limiters'],
    [{ limiters: { ö: limiters.one } }, 'limiters'],
    [{ limiters: { one: {} } }, 'limiters.one.acquire'],
    [{ limiter: {} }, 'limiter'],
  ])('of the filter, %j, are refused for %s', (parts, field) => {
    expect(() => createRateLimitFilter(parts as unknown as RateLimitParts)).toThrow(expect.objectContaining({ field }))
  })
})

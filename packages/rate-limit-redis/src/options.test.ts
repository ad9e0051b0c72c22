import { expect, test } from 'vitest'
import { type RedisRateLimiterOptions, resolveRedisRateLimiterOptions } from './options.ts'

const good: RedisRateLimiterOptions = { limit: 8, windowMs: 1_000 }

test('applies defaults', () => {
  expect(resolveRedisRateLimiterOptions(good)).toMatchObject({
    ...{ name: 'redis', host: '127.0.0.1', port: 6379, secure: false, credentials: undefined, tls: {}, database: 0 },
    ...{ prefix: 'sd:rate-limit', operationTimeoutMs: 500, whenUnavailable: 'local', maxLocalKeys: 100_000 },
  })
})

test('rounds up the share of a process', () => {
  expect(resolveRedisRateLimiterOptions({ ...good, burst: 3, localShare: 1 / 8 }).localRule).toMatchObject({ limit: 1, burst: 1 })
})

test('parses endpoints', () => {
  for (const [endpoint, expected] of [
    ['redis.example', { host: 'redis.example', port: 6379, secure: false }],
    ['redis://10.0.0.1:7000', { host: '10.0.0.1', port: 7000, secure: false }],
    ['rediss://[::1]:7000/', { host: '::1', port: 7000, secure: true }],
  ] as const) {
    expect(resolveRedisRateLimiterOptions({ ...good, endpoint })).toMatchObject(expected)
  }
})

test('rejects invalid options, and shows no secret', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['endpoint', { endpoint: 'redis://user:secret@host' }],
    ['endpoint', { endpoint: 'host:99999' }],
    ['tls', { tls: { ca: '-----BEGIN ' } }],
    ['credentials.password', { credentials: { username: 'a', password: '' } }],
    ['database', { database: -1 }],
    ['prefix', { prefix: '' }],
    ['operationTimeoutMs', { operationTimeoutMs: 0 }],
    ['whenUnavailable', { whenUnavailable: 'wait' }],
    ['localShare', { localShare: 0 }],
    ['maxLocalKeys', { maxLocalKeys: 0 }],
    ['limit', { limit: 0 }],
    ['url', { url: 'redis://host' }],
  ]
  for (const [field, change] of cases) {
    expect(() => resolveRedisRateLimiterOptions({ ...good, ...change })).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  }
  expect(() => resolveRedisRateLimiterOptions({ ...good, endpoint: 'redis://user:secret@host' })).not.toThrow('secret')
})

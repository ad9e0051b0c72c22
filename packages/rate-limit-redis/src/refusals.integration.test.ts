import { createCertificates, freePort, obtainServer, startRedis } from '@sd/test-servers'
import { afterEach, describe, expect, test } from 'vitest'
import { createRedisRateLimiter, type RedisRateLimiterOptions } from './index.ts'

const redis = await obtainServer('redis', { own: true })
const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** The error of the first acquisition of a limiter that fails closed. */
async function refusalOf(port: number, options: Partial<RedisRateLimiterOptions>): Promise<unknown> {
  const limits = { limit: 10, windowMs: 1_000, operationTimeoutMs: 5_000, whenUnavailable: 'closed' } as const
  const limiter = createRedisRateLimiter({ endpoint: `127.0.0.1:${port}`, ...limits, ...options })
  opened.push(limiter)
  return limiter.acquire('a').then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe.runIf(redis)('what Redis refuses', { timeout: 60_000 }, () => {
  const users = ['user guest on >guest-secret ~other:* +ping +select', 'user reader on >reader-secret ~* +@read +ping +select']
  const login = (username: string, password: string): Partial<RedisRateLimiterOptions> => ({
    credentials: { username, password },
  })
  test.each<[string, Partial<RedisRateLimiterOptions>, string]>([
    ['no login', {}, 'set credentials'],
    ['a wrong password', login('guest', 'wrong-secret'), 'see "ACL LIST"'],
    ['a user who is unknown', login('nobody', 'wrong-secret'), 'see "ACL LIST"'],
    ['keys of others', login('guest', 'guest-secret'), 'on the keys of the prefix "mine"'],
    ['commands that are not allowed', login('reader', 'reader-secret'), '+eval +evalsha'],
  ])('%s is denied with a hint', async (_, options, way) => {
    if (!redis) return
    await using server = await startRedis(redis, { password: 'admin-secret', config: users })
    const error = await refusalOf(server.port, { prefix: 'mine', ...options })
    expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false, message: expect.stringContaining(way) })
    expect((error as Error).message).not.toContain('-secret')
  })

  test('a full server is retryable', async () => {
    if (!redis) return
    await using server = await startRedis(redis, { config: ['maxmemory 1', 'maxmemory-policy noeviction'] })
    expect(await refusalOf(server.port, {})).toMatchObject({
      code: 'SD_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('raise maxmemory'),
    })
  })

  test('a cluster is reported as unsupported, unless it is only starting', async () => {
    if (!redis) return
    await using server = await startRedis(redis, { config: ['cluster-enabled yes', `cluster-port ${await freePort()}`] })
    expect(await refusalOf(server.port, {})).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
  })

  test('an untrusted authority is reported with a hint', async () => {
    if (!redis) return
    await using secure = await startRedis(redis, { tls: await createCertificates() })
    expect(await refusalOf(secure.port, { endpoint: `rediss://127.0.0.1:${secure.port}` })).toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('set it as tls.ca'),
    })
  })
})

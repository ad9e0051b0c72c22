import { randomUUID } from 'node:crypto'
import { createClient } from '@redis/client'
import { createCertificates, createRotation, obtainServer, startRedis, startToxiproxy } from '@sd/test-servers'
import { eventually, within } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createRedisRateLimiter, type RedisRateLimiter, type RedisRateLimiterOptions } from './index.ts'

const redis = await obtainServer('redis', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const hourMs = 3_600_000
/** A command timeout that a busy machine can meet: no test but that of a hung server waits for it. */
const operationTimeoutMs = 10_000

function open(port: number, options: Partial<RedisRateLimiterOptions> = {}): RedisRateLimiter {
  return createRedisRateLimiter({
    endpoint: `127.0.0.1:${port}`,
    limit: 4,
    windowMs: hourMs,
    prefix: randomUUID(),
    operationTimeoutMs,
    ...options,
  })
}

describe.runIf(redis)('when Redis is unreachable', () => {
  if (!redis) return

  test('limits locally, allows all calls or rejects, as configured', async () => {
    await using server = await startRedis(redis)
    await using local = open(server.port, { localShare: 0.5 })
    await using open_ = open(server.port, { whenUnavailable: 'open' })
    await using closed = open(server.port, { whenUnavailable: 'closed' })
    for (const limiter of [local, open_, closed]) {
      const decision = await limiter.acquire('a')
      expect([decision.remaining, decision.degraded]).toEqual([3, undefined])
    }
    await server.kill()
    await eventually(() => expect([local.state, open_.state, closed.state]).toEqual(Array(3).fill('disconnected')), 5_000)

    const alone = [await local.acquire('a'), await local.acquire('a'), await local.acquire('a')]
    expect(alone.map(({ allowed, limit, degraded }) => [allowed, limit, degraded])).toEqual([
      [true, 2, 'local'],
      [true, 2, 'local'],
      [false, 2, 'local'],
    ])
    expect((await local.acquire('b', { cost: 4 })).allowed).toBe(true)
    for (let call = 0; call < 10; call++) expect(await open_.acquire('a')).toMatchObject({ allowed: true, degraded: 'open' })
    await expect(closed.acquire('a')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    await expect(local.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })

    await server.start()
    await eventually(async () => {
      for (const limiter of [local, open_, closed]) expect((await limiter.acquire('back')).degraded).toBeUndefined()
    }, 10_000)
    expect(local.state).toBe('connected')
  })

  test('starts without Redis, and connects later', async () => {
    await using server = await startRedis(redis)
    await server.stop()
    await using limiter = open(server.port)
    expect((await limiter.acquire('a')).degraded).toBe('local')
    await server.start()
    await eventually(async () => expect((await limiter.acquire('a')).degraded).toBeUndefined(), 10_000)
  })

  test('disconnects from a hung server after the timeout, and then decides without delay', async () => {
    await using server = await startRedis(redis)
    await using limiter = open(server.port, { operationTimeoutMs: 1_000 })
    await eventually(() => limiter.ping(), 20_000)
    await server.pause()
    const decisions = await within(Promise.all([1, 2, 3].map(() => limiter.acquire('a'))), 5_000, 'calls to a hung server')
    expect(decisions.map(({ degraded }) => degraded)).toEqual(['local', 'local', 'local'])
    await eventually(() => expect(limiter.state).toBe('disconnected'), 5_000)
    const startedAt = performance.now()
    for (let call = 0; call < 50; call++) expect((await limiter.acquire('a')).degraded).toBe('local')
    expect(performance.now() - startedAt).toBeLessThan(50 * 1_000)
    await server.resume()
    await eventually(async () => expect((await limiter.acquire('a')).degraded).toBeUndefined(), 10_000)
    await server.pause()
    await within(limiter.close(), 5_000, 'close() with a hung server')
    await expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(limiter.state).toBe('closed')
  })

  test('a waiting call continues when Redis returns empty', async () => {
    await using server = await startRedis(redis)
    await using limiter = open(server.port, { limit: 1, windowMs: 500, whenUnavailable: 'local' })
    await limiter.acquire('a')
    const waiting = Promise.all([1, 2, 3].map(() => limiter.acquire('a', { wait: true })))
    await server.restartEmpty()
    expect((await within(waiting, 20_000, 'waiting calls')).every(({ allowed }) => allowed)).toBe(true)
  })

  test('a key of another type is reported as malformed', async () => {
    await using server = await startRedis(redis)
    await using limiter = open(server.port, { prefix: 'mine', whenUnavailable: 'closed' })
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port } })
    await client.connect()
    await client.lPush('mine:bucket:a', 'not ours')
    client.destroy()
    await expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    expect((await limiter.acquire('b')).allowed).toBe(true)
  })

  test('a wrong password and an untrusted authority are reported', async () => {
    const certificates = await createCertificates()
    await using server = await startRedis(redis, { password: 'correct horse' })
    const credentials = { username: 'default', password: 'correct horse' }
    await using good = open(server.port, { credentials: async () => credentials, database: 3, whenUnavailable: 'closed' })
    expect((await good.acquire('a')).allowed).toBe(true)
    await using bad = open(server.port, { credentials: { ...credentials, password: 'guess' }, whenUnavailable: 'closed' })
    const denied = await bad.acquire('a').catch((error: unknown) => error)
    expect(denied).toMatchObject({ code: 'SD_DENIED' })
    expect(String(denied)).not.toContain('guess')
    await using none = open(server.port)
    await expect(none.ping()).rejects.toMatchObject({ code: 'SD_DENIED' })

    await using secure = await startRedis(redis, { tls: certificates })
    const { ca, client } = certificates
    await using encrypted = open(secure.port, {
      endpoint: `rediss://localhost:${secure.port}`,
      tls: { ca, ...client },
      whenUnavailable: 'closed',
    })
    await eventually(() => encrypted.ping(), 5_000)
    expect((await encrypted.acquire('a')).allowed).toBe(true)
    await using foreign = open(secure.port, { endpoint: `rediss://localhost:${secure.port}` })
    await expect(foreign.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('reconnects to a server with certificates of another authority, once the files have them', async () => {
    if (!redis) return
    await using rotation = await createRotation()
    await using server = await startRedis(redis, { tls: rotation.certificates })
    const { tls } = rotation
    await using limiter = open(server.port, { endpoint: `rediss://localhost:${server.port}`, tls, whenUnavailable: 'closed' })
    for (let round = 0; round < 2; round++) {
      await eventually(() => limiter.ping(), 10_000)
      expect((await limiter.acquire('a')).allowed).toBe(true)
      await rotation.rotate(server)
    }
    await eventually(() => limiter.ping(), 10_000)
  })
})

describe.runIf(redis && toxiproxy)('when the way to Redis is broken', () => {
  test('reconnects after a cut, a black hole, and a handshake without a reply', { timeout: 180_000 }, async () => {
    if (!redis || !toxiproxy) return
    await using server = await startRedis(redis)
    await using proxy = await startToxiproxy(toxiproxy)
    const link = await proxy.link(server.port)
    await using limiter = open(link.port, { limit: 1_000_000, operationTimeoutMs: 1_000 })
    await eventually(() => limiter.ping(), 20_000)
    for (const harm of [() => link.cut(), () => link.blackHole()]) {
      await harm()
      await eventually(async () => expect((await limiter.acquire('a')).degraded).toBe('local'), 20_000)
      await eventually(async () => {
        await limiter.acquire('a')
        expect(limiter.state).toBe('disconnected')
      }, 20_000)
      await link.restore()
      await eventually(async () => expect((await limiter.acquire('a')).degraded).toBeUndefined(), 20_000)
    }
  })
})

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createRedisRateLimiter } from '@sd/rate-limit-redis'
import { createStaticRegistry } from '@sd/registry-static'
import { obtainServer, type RedisServer, startRedis } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const redis = await obtainServer('redis')

describe.runIf(redis)('limits in Redis', () => {
  let server: RedisServer
  const backends: Server[] = []
  beforeAll(async () => {
    if (redis) server = await startRedis(redis)
    for (let index = 0; index < 2; index++) {
      const backend = createServer((_, response) => void response.end())
      backends.push(backend.listen(0, '127.0.0.1'))
      await once(backend, 'listening')
    }
  })
  afterAll(async () => {
    for (const backend of backends) backend.close().closeAllConnections()
    await server.close()
  })

  /** A process that makes calls, with its own connection to Redis. */
  function createCaller() {
    const limiter = createRedisRateLimiter({
      endpoint: `127.0.0.1:${server.port}`,
      algorithm: 'sliding-window',
      limit: 5,
      windowMs: 600_000,
      whenUnavailable: 'closed',
      operationTimeoutMs: 10_000,
    })
    const instances = backends.map((backend, index) => {
      const { port } = backend.address() as AddressInfo
      return { service: 'orders', id: `orders-${index}`, address: '127.0.0.1', port }
    })
    const registry = createStaticRegistry({ instances })
    const discovery = createDiscovery({ source: registry })
    const client = createServiceClient({
      discovery,
      balancer: createRoundRobinBalancer(),
      rateLimit: { limiter, scope: 'instance' },
      timeoutMs: 30_000,
    })
    return {
      async call(): Promise<string> {
        try {
          return (await client.get('orders', '/').then((response) => response.endpoint?.instance.id)) ?? 'none'
        } catch (error) {
          return (error as { code: string }).code
        }
      },
      async close(): Promise<void> {
        await client.close()
        await discovery.close()
        await registry.close()
        await limiter.close()
      },
    }
  }

  test('each instance has one limit for all callers, and an exhausted one is skipped', async () => {
    const callers = [createCaller(), createCaller()]
    const seen = new Map<string, number>()
    for (let round = 0; round < 8; round++) {
      for (const result of await Promise.all(callers.map(({ call }) => call()))) seen.set(result, (seen.get(result) ?? 0) + 1)
    }
    expect(Object.fromEntries(seen)).toEqual({ 'orders-0': 5, 'orders-1': 5, SD_REJECTED: 6 })
    for (const { close } of callers) await close()
  })
})

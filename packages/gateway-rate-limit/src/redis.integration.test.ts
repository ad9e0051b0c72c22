import { randomUUID } from 'node:crypto'
import type { RateLimiter } from '@sd/core'
import { createRedisRateLimiter } from '@sd/rate-limit-redis'
import { startEdge } from '@sd/test-edge'
import { obtainServer, type RedisServer, startRedis } from '@sd/test-servers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createRateLimitFilter } from './index.ts'

const redis = await obtainServer('redis')
const rule = { limit: 5, windowMs: 3_600_000 }

function start(one: RateLimiter): Promise<string> {
  onTestFinished(() => one.close())
  const filters = [{ filter: 'rate-limit', limits: [{ limiter: 'one', key: 'none' }] }]
  return startEdge((_, response) => response.end(), [{ filters }], { 'rate-limit': createRateLimitFilter({ limiters: { one } }) })
}

async function statusesOf(urls: readonly string[], count: number): Promise<number[]> {
  const sent = Array.from({ length: count }, (_, index) => fetch(urls[index % urls.length] as string))
  const statuses = (await Promise.all(sent)).map(({ status }) => status)
  return statuses.sort()
}

describe.runIf(redis)('limits in Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    if (redis) server = await startRedis(redis)
  })
  afterAll(() => server.close())

  test('are exact over several gateways', async () => {
    const shared = { ...rule, endpoint: `127.0.0.1:${server.port}`, prefix: randomUUID(), operationTimeoutMs: 10_000 }
    const urls = [await start(createRedisRateLimiter(shared)), await start(createRedisRateLimiter(shared))]
    expect(await statusesOf(urls, 20)).toEqual([...Array(5).fill(200), ...Array(15).fill(429)])
  })
})

test.each<['local' | 'open' | 'closed', number[]]>([
  ['local', [200, 200, 200, 200, 200, 429, 429, 429]],
  ['open', [200, 200, 200, 200, 200, 200, 200, 200]],
  ['closed', [503, 503, 503, 503, 503, 503, 503, 503]],
])('without Redis, the limiter decides by whenUnavailable: %s', async (whenUnavailable, statuses) => {
  // No server listens on port 1.
  const url = await start(createRedisRateLimiter({ ...rule, endpoint: '127.0.0.1:1', whenUnavailable }))
  expect(await statusesOf([url], 8)).toEqual(statuses)
})

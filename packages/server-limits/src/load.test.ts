import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import type { CallPriority } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createStaticRegistry } from '@sd/registry-static'
import { createRetryPolicy } from '@sd/retry'
import { expect, onTestFinished, test } from 'vitest'
import type { ServerLimitsOptions } from './index.ts'
import { serveLimited, until } from './testing/serve.ts'

/** A server with this capacity and service time. Further requests wait inside it, as in a connection pool of a database. */
const workers = 8
const workMs = 80
const capacityPerS = (workers * 1_000) / workMs

function createPool() {
  const waiting: (() => void)[] = []
  let busy = 0
  return async (): Promise<void> => {
    if (busy === workers) await new Promise<void>((resolve) => waiting.push(resolve))
    else busy++
    await delay(workMs)
    const next = waiting.shift()
    if (next) next()
    else busy--
  }
}

interface LoadResult {
  /** Responses with 200 per second that arrived within the caller's patience. */
  readonly goodPerS: number
  readonly byPriority: Record<CallPriority, { readonly offered: number; readonly good: number }>
  /** The 99th percentile of good responses, in milliseconds. */
  readonly p99: number
}

/** Open loop: calls begin on time, whatever happens to earlier ones. A caller gives up after a second. */
async function load(port: number, ratePerS: number, durationMs: number, limitMs: number): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true })
  const byPriority = { critical: { offered: 0, good: 0 }, default: { offered: 0, good: 0 }, batch: { offered: 0, good: 0 } }
  const latencies: number[] = []
  const calls: Promise<void>[] = []
  async function call(priority: CallPriority): Promise<void> {
    const startedAt = performance.now()
    byPriority[priority].offered++
    try {
      const headers = { 'x-request-priority': priority, 'x-request-timeout-ms': String(limitMs) }
      const outgoing = get({ host: '127.0.0.1', port, headers, agent, signal: AbortSignal.timeout(limitMs) })
      const [answer] = await once(outgoing, 'response')
      await once(answer.resume(), 'end')
      if (answer.statusCode !== 200) return
      byPriority[priority].good++
      latencies.push(performance.now() - startedAt)
    } catch {
      // The caller gave up.
    }
  }
  const startedAt = performance.now()
  for (let sent = 0; performance.now() - startedAt < durationMs; ) {
    const due = ((performance.now() - startedAt) / 1_000) * ratePerS
    for (; sent < due; sent++) calls.push(call(sent % 10 === 0 ? 'critical' : sent % 10 < 5 ? 'batch' : 'default'))
    await delay(2)
  }
  await Promise.all(calls)
  agent.destroy()
  latencies.sort((a, b) => a - b)
  return {
    goodPerS: (latencies.length / durationMs) * 1_000,
    byPriority,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  }
}

async function measure(options: ServerLimitsOptions): Promise<LoadResult> {
  const work = createPool()
  const { port } = await serveLimited({ trusted: true, ...options }, async (_, response) => {
    await work()
    response.end('served')
  })
  await load(port, capacityPerS / 2, 2_500, 1_000)
  return load(port, capacityPerS * 3, 4_000, 1_000)
}

test('at three times its capacity a server with limits does useful work, and one without does not', async () => {
  const concurrency = createAdaptiveLimit({ maxQueued: 20, queueTimeoutMs: 100, maxEventLoopDelayMs: 0 })
  onTestFinished(() => concurrency.close())
  const limited = await measure({ concurrency })
  const bare = await measure({})
  const shareOf = ({ offered, good }: { offered: number; good: number }): number => good / offered
  const { critical, batch } = limited.byPriority
  process.stdout.write(
    `capacity ${capacityPerS}/s, offered ${capacityPerS * 3}/s: with limits ${Math.round(limited.goodPerS)}/s (p99 ${Math.round(limited.p99)} ms, ` +
      `critical ${shareOf(critical).toFixed(2)}, batch ${shareOf(batch).toFixed(2)}), without ${Math.round(bare.goodPerS)}/s\n`,
  )
  // A busy machine has less capacity, so compare with a bound.
  expect(limited.goodPerS).toBeGreaterThan(bare.goodPerS)
  expect(shareOf(critical)).toBeGreaterThan(shareOf(batch))
})

test('a client sees why it was refused, and retries after the requested time', async () => {
  const arrivals: number[] = []
  const concurrency = createBulkhead({ maxConcurrent: 1 })
  const limiter = createMemoryRateLimiter({ limit: 1, windowMs: 1_000 })
  const { port } = await serveLimited(
    { rate: { limiter, key: ({ headers }) => headers['x-user'] as string }, concurrency },
    (_, response) => {
      arrivals.push(performance.now())
      response.end('served')
    },
  )
  const registry = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port }] })
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const patient = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    retry: () => createRetryPolicy({ maxAttempts: 3, backoff: { kind: 'fixed', delayMs: 1 } }),
  })
  onTestFinished(async () => {
    await Promise.all([client.close(), patient.close()])
    await discovery.close()
    await registry.close()
  })
  const headers = { 'x-user': 'alice' }
  const first = await client.get('orders', '/', { headers })
  expect(await first.text()).toBe('served')
  const refused = await client.get('orders', '/', { headers })
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ code: 'SD_REJECTED' })
  const thrown = client.get('orders', '/', { headers }).then((answer) => answer.ensureOk())
  await expect(thrown).rejects.toMatchObject({ code: 'SD_HTTP_STATUS' })

  // With a retry the client returns after the requested second, although its own backoff is a millisecond.
  const served = await patient.get('orders', '/', { headers })
  expect(await served.text()).toBe('served')
  expect(served.attempts).toBeLessThan(4)
  expect((arrivals.at(-1) as number) - (arrivals[0] as number)).toBeGreaterThan(950)
  await until(() => concurrency.statistics().active === 0, 'nothing is under way')
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { publishTelemetry, reportStates } from '@sd/core'
import { createHostileValues, createSeededRandom } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMetrics } from './index.ts'

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)
beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  process.on('unhandledRejection', onRejection)
})
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  vi.restoreAllMocks()
  process.off('unhandledRejection', onRejection)
  expect(rejections).toHaveLength(0)
})

const channels = [
  ...[
    'sd:v1:attempt:end',
    'sd:v1:breaker:state',
    'sd:v1:call:end',
    'sd:v1:call:fallback',
    'sd:v1:call:refused',
    'sd:v1:call:retry',
  ],
  ...['sd:v1:call:start', 'sd:v1:config:update', 'sd:v1:discovery:update', 'sd:v1:endpoint:ejection', 'sd:v1:health:check'],
  ...['sd:v1:rate-limit:decision', 'sd:v1:backend:operation', 'sd:v1:backend:state'],
] as const

test('with arbitrary events and reports, publishing does not throw and the metrics can be read', async () => {
  const hostile = createHostileValues(13)
  const random = createSeededRandom(13)
  const metrics = createMetrics({
    exemplar: () => (random() < 0.3 ? (hostile.next() as never) : { trace_id: '1', span_id: '2' }),
    onError() {
      throw hostile.next()
    },
  })
  const endReports = reportStates(() => [hostile.next(), { kind: 'cluster', service: hostile.next() }, hostile.next()] as never)
  for (let round = 0; round < 2_000; round++) {
    const channel = channels[Math.floor(random() * channels.length)] ?? 'sd:v1:call:end'
    const odd = (): unknown => (random() < 0.5 ? hostile.next() : 'x')
    const call = random() < 0.8 ? { service: odd(), method: odd(), path: odd() } : hostile.next()
    const known = {
      call,
      service: odd(),
      status: odd(),
      error: random() < 0.5 ? hostile.nextError() : undefined,
      durationMs: odd(),
    }
    const more = { registry: odd(), state: odd(), operation: odd(), decision: odd(), ejection: odd(), change: odd(), attempts: 1 }
    publishTelemetry(channel, { ...known, ...more, instanceId: odd(), breaker: odd(), policy: odd(), name: odd() } as never)
  }
  const call = { service: 'orders', method: 'GET', path: '/' }
  publishTelemetry('sd:v1:call:start', { call } as never)
  publishTelemetry('sd:v1:call:end', { call, status: 200, durationMs: 1, attempts: 1 } as never)
  const text = await metrics.register.metrics()
  expect(text).toContain('sd_calls_total{service="orders",method="GET",status="200"} 1')
  expect(text).toBe(text.toWellFormed())
  endReports()
  metrics.close()
})

test('an unreadable metric and collectors that throw or reject do not affect the others', async () => {
  const hostile = createHostileValues(7)
  const errors: unknown[] = []
  const metrics = createMetrics({ onError: (error) => errors.push(error) })
  metrics.gauge({
    name: 'own',
    help: 'x',
    collect() {
      throw hostile.nextError()
    },
  })
  metrics.gauge({ name: 'late', help: 'x', collect: () => Promise.reject(hostile.nextError()) as never })
  const good = metrics.gauge({ name: 'good', help: 'x', collect: () => Promise.resolve().then(() => good.set(7)) as never })
  for (const [index, collect] of [() => Promise.reject(hostile.nextError()), () => hostile.next() as never].entries()) {
    metrics.addCollector({
      name: `c${index}`,
      intervalMs: 1_000,
      collect,
      close: () => Promise.reject(hostile.nextError()) as never,
    })
  }
  const server = createServer(metrics.handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  expect([response.status, (await response.text()).includes('sd_good 7')]).toEqual([200, true])
  expect(errors.length).toBeGreaterThanOrEqual(2)
  server.closeAllConnections()
  server.close()
  metrics.close()
})

test('a response whose headers were already sent ends, and nothing is thrown', async () => {
  const errors: unknown[] = []
  const metrics = createMetrics({ onError: (error) => errors.push(error) })
  const server = createServer((request, response) => {
    response.writeHead(204)
    metrics.handler(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`).catch(() => undefined)
  expect(errors.length).toBeGreaterThan(0)
  server.closeAllConnections()
  server.close()
  metrics.close()
})

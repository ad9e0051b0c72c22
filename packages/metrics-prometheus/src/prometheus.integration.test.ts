import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { publishTelemetry } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { obtainServer, type PrometheusServer, startPrometheus } from '@sd/test-servers'
import { createTelemetryCall, eventually, publishEverything } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Metrics, type MetricsServer, serveMetrics } from './index.ts'
import { readExpressions } from './testing/dashboard.ts'
import { alertRules, packageFolder, recordingRules } from './testing/rules.ts'
import { startEverything } from './testing/run-everything.ts'

const source = await obtainServer('prometheus', { own: true })
const traceId = '0af7651916cd43dd8448eb211c80319c'
const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }

describe.runIf(source)('a real Prometheus', () => {
  const registry = createMemoryRegistry()
  let backend: Server
  let discovery: Discovery
  let client: ServiceClient
  let metrics: Metrics
  let endpoint: MetricsServer
  let prometheus: PrometheusServer
  let unpublish: (() => void) | undefined

  beforeAll(async () => {
    if (!source) return
    metrics = startEverything({ maxSeries: 40 })
    endpoint = await serveMetrics({ metrics, port: 0 })
    prometheus = await startPrometheus(source, { targetPort: endpoint.port, rules: `${packageFolder}/rules/*.yaml` })
    backend = createServer((request, response) => response.writeHead(request.url === '/broken' ? 500 : 200).end('hello'))
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    const { port } = backend.address() as AddressInfo
    await registry.register({ service: 'shop', address: '127.0.0.1', port })
    discovery = createDiscovery({ source: registry })
    client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  })
  afterAll(async () => {
    unpublish?.()
    await client?.close()
    await discovery?.close()
    await registry.close()
    backend?.close()
    await prometheus?.close()
    await endpoint?.close()
    metrics?.close()
  })

  const read = async (expression: string): Promise<number | undefined> => (await prometheus.query(expression))[0]?.value

  test('scrapes the metrics of calls through the client, Discovery and a registry', async () => {
    for (let index = 0; index < 5; index++) await (await client.get('shop', '/', { headers })).text()
    await (await client.get('shop', '/broken')).text()
    await eventually(async () => {
      expect(await read('up{job="test"}')).toBe(1)
      expect(await read('sd_calls_total{service="shop",method="GET",status="200"}')).toBe(5)
      expect(await read('sd_calls_total{service="shop",status="500"}')).toBe(1)
      expect(await read('sd_call_duration_seconds_count{service="shop",status_class="2xx"}')).toBe(5)
      expect(await read('sum(sd_attempts_total{service="shop"})')).toBe(6)
      expect(await read('sd_calls_active{service="shop"}')).toBe(0)
      expect(await read('sd_backend_state{backend="memory",state="connected"}')).toBe(1)
      expect(await read('sd_registrations{registry="memory",service="shop",state="active"}')).toBe(1)
      expect(await read('sd_process_memory_bytes{area="resident"}')).toBeGreaterThan(10_000_000)
      expect(await read('sd_database_up{database="db"}')).toBe(1)
    }, 20_000)
  })

  test('stores the exemplars of calls, with the trace of each', async () => {
    await (await client.get('shop', '/', { headers })).text()
    await eventually(async () => {
      const found = await prometheus.queryExemplars('sd_call_duration_seconds_bucket{service="shop"}')
      expect(found.map(({ labels }) => labels['trace_id'])).toContain(traceId)
    }, 20_000)
  })

  test('evaluates every expression of the dashboard', async () => {
    // Kept until the last test: a gauge that is gone from one scrape has no value at once.
    unpublish = publishEverything()
    metrics.addCollector({ name: 'broken', intervalMs: 200, collect: () => Promise.reject(new Error('broken')) })
    for (let index = 0; index < 50; index++) {
      publishTelemetry('sd:v1:call:hedge', { call: createTelemetryCall({ service: `service-${index}` }), attempt: 2, afterMs: 1 })
    }
    await eventually(async () => expect(await read('sd_retry_budget_available{service="orders"}')).toBe(11), 20_000)
    // A rate needs two samples, and a new counter has not grown yet, so only the existence of a result is checked, not its value.
    await eventually(async () => {
      for (const expression of readExpressions()) {
        const filled = expression
          .replaceAll('"$job"', '".*"')
          .replaceAll('"$service"', '".*"')
          .replaceAll('$__rate_interval', '1m')
        expect((await prometheus.query(filled)).length, filled).toBeGreaterThan(0)
      }
    }, 25_000)
  })

  test('has all rules, and evaluates them', async () => {
    await eventually(async () => {
      const rules = await prometheus.rules()
      expect(rules.map(({ name }) => name).sort()).toEqual(
        [...alertRules.map(({ alert }) => alert), ...recordingRules.map(({ record }) => record)].sort(),
      )
      expect(rules.filter(({ health }) => health !== 'ok')).toEqual([])
    }, 25_000)
    // The breaker of the samples is open.
    expect(await read('ALERTS{alertname="BreakerOpen",service="orders"}')).toBe(1)
    await eventually(async () => expect(await read('job_service:sd_calls:rate5m{service="shop"}')).toBeDefined(), 20_000)
  })

  test('no longer has the series of closed components', async () => {
    unpublish?.()
    await eventually(async () => expect(await read('sd_concurrency_limit')).toBeUndefined(), 20_000)
  })
})

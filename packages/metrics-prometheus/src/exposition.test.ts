import { createServer, get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { publishTelemetry } from '@sd/core'
import { createTelemetryCall, telemetryTraceId } from '@sd/testing'
import { Gauge, Registry } from 'prom-client'
import { afterEach, describe, expect, test } from 'vitest'
import { prefersOpenMetrics, writeMetrics } from './exposition.ts'
import { createMetrics, type Metrics, type MetricsOptions, serveMetrics } from './index.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

function start(options?: MetricsOptions): Metrics {
  const metrics = createMetrics(options)
  open.push(metrics.close)
  return metrics
}

function endCall(flags?: string): void {
  publishTelemetry('sd:v1:call:end', { call: createTelemetryCall({}, flags), status: 200, durationMs: 30, attempts: 1 })
}

async function serve(metrics: Metrics): Promise<string> {
  const server = await serveMetrics({ metrics, port: 0 })
  open.push(server.close)
  return `http://127.0.0.1:${server.port}`
}

describe('the page', () => {
  test('has the requested format, regardless of earlier requests', async () => {
    const metrics = start({ labels: { app: 'shop' } })
    endCall()
    const url = `${await serve(metrics)}/metrics?x=1`
    for (let round = 0; round < 2; round++) {
      const open = await fetch(url, { headers: { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' } })
      expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
      const openText = await open.text()
      expect(openText).toContain(
        '# TYPE sd_calls counter\nsd_calls_total{service="orders",method="GET",status="200",app="shop"} 1\n',
      )
      expect(openText.endsWith('# EOF\n')).toBe(true)
      const plain = await fetch(url)
      expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
      const plainText = await plain.text()
      expect(plainText).toContain('# TYPE sd_calls_total counter\nsd_calls_total{service="orders"')
      expect(plainText).not.toContain('# EOF')
    }
  })

  test('responds 404 on other paths and 405 to other methods', async () => {
    const origin = await serve(start())
    expect((await fetch(origin)).status).toBe(404)
    const posted = await fetch(`${origin}/metrics`, { method: 'POST' })
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const head = await fetch(`${origin}/metrics`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(100)
  })

  test('is an error without details when a metric cannot be read', async () => {
    const errors: unknown[] = []
    const register = new Registry()
    const collect = (): never => {
      throw new Error('secret')
    }
    new Gauge({ name: 'bad', help: 'Bad.', registers: [register], collect })
    const response = await fetch(`${await serve(start({ register, onError: (error) => errors.push(error) }))}/metrics`)
    expect([response.status, await response.text()]).toEqual([500, 'The metrics cannot be read\n'])
    expect(errors).toEqual([new Error('secret')])
  })

  test('can be mounted in another server', async () => {
    const { handler } = start()
    const server: Server = createServer(handler).listen(0, '127.0.0.1')
    open.push(() => server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    expect((await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).status).toBe(200)
  })

  test('responds to servers of fetch style in the same way', async () => {
    const { respond } = start()
    const scrape = (init?: RequestInit): Promise<Response> => respond(new Request('http://x/metrics', init))
    const text = await scrape()
    expect([text.status, text.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
    expect(await text.text()).toContain('# TYPE sd_calls_total counter')
    const open = await scrape({ headers: { accept: 'application/openmetrics-text' } })
    expect(open.headers.get('content-type')).toContain('openmetrics')
    const head = await scrape({ method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    const post = await scrape({ method: 'POST' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('is unreachable after its server is closed, even while a client holds a connection', async () => {
    const server = await serveMetrics({ metrics: start(), port: 0 })
    const url = `http://127.0.0.1:${server.port}/metrics`
    await new Promise((resolve) => get(url, { headers: { connection: 'keep-alive' } }, resolve))
    await Promise.all([server.close(), server[Symbol.asyncDispose]()])
    await expect(fetch(url)).rejects.toThrow()
  })

  test('cannot be served on a port in use', async () => {
    const metrics = start()
    const port = Number(new URL(await serve(metrics)).port)
    await expect(serveMetrics({ metrics, port })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    for (const [field, value] of Object.entries({ port: -1, host: '', path: 'metrics' })) {
      await expect(serveMetrics({ metrics, [field]: value })).rejects.toMatchObject({ code: 'SD_INVALID', field })
    }
  })
})

test.each([
  [undefined, false],
  ['*/*', false],
  ['text/plain', false],
  ['application/openmetrics-text', true],
  ['application/OpenMetrics-text; version=1.0.0; charset=utf-8', true],
  ['application/openmetrics-text;q=0', false],
  ['application/openmetrics-text;q=oops', false],
  ['application/openmetrics-text;q=0.4,text/plain;q=0.5', false],
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    true,
  ],
])('accept %s: OpenMetrics %s', (accept, expected) => {
  expect(prefersOpenMetrics(accept)).toBe(expected)
})

describe('an exemplar', () => {
  const readBuckets = async ({ register }: Metrics): Promise<string> =>
    (await writeMetrics(register, true)).text
      .split('\n')
      .filter((line) => line.startsWith('sd_call_duration_seconds_bucket') && line.includes(' # '))
      .join('\n')

  test('holds the trace in the header of the call', async () => {
    const metrics = start()
    endCall()
    const found = await readBuckets(metrics)
    expect(found).toMatch(/le="0\.05".* 1 # \{trace_id="4bf9[^"]*",span_id="00f067aa0ba902b7"\} 0\.03 \d+/)
    expect(found).toContain(telemetryTraceId)
  })

  test.each([
    ['a trace that is not sampled', {}, '00'],
    ['no trace', {}, 'zz'],
    ['a source that finds none', { exemplar: () => undefined }, '01'],
    ['exemplars that are switched off', { exemplar: false }, '01'],
  ] as const)('does not come from %s', async (_, options, flags) => {
    const metrics = start(options)
    endCall(flags)
    expect(await readBuckets(metrics)).toBe('')
  })

  test('comes from the configured source', async () => {
    const metrics = start({ exemplar: ({ call }) => ({ path: call.path }) })
    endCall()
    expect(await readBuckets(metrics)).toContain('# {path="/"} 0.03')
  })

  test.each([{ 'a-b': 'c' }, { long: 'x'.repeat(125) }, { number: 1 }])(
    'that is not valid spoils nothing: %o',
    async (labels) => {
      const errors: unknown[] = []
      const metrics = start({ exemplar: () => labels as Record<string, string>, onError: (error) => errors.push(error) })
      endCall()
      expect(await readBuckets(metrics)).toBe('')
      expect(errors).toEqual([expect.objectContaining({ code: 'SD_INVALID' })])
      expect((await writeMetrics(metrics.register, true)).text).toContain('sd_call_duration_seconds_count{service="orders"')
    },
  )
})

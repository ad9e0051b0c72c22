import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { createConfig, createMemoryConfigSource } from '@sd/config'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { createRetryPolicy } from '@sd/retry'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createFaultInjection, FAULT_HEADER, type FaultInjection, type FaultSettings } from './index.ts'
import { type Server, serve } from './testing/server.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function startServer(faults?: FaultInjection): Promise<Server> {
  const server = await serve(faults)
  closers.push(server.close)
  return server
}

function clientOf(server: Server, faults?: FaultInjection, more: object = {}): ServiceClient {
  const registry = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port: server.port }] })
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    interceptors: { attempt: faults ? [faults.interceptor] : [] },
    ...more,
  })
  closers.push(
    () => registry.close(),
    () => discovery.close(),
    () => client.close(),
  )
  return client
}

function record(): TelemetryEvents['sd:v1:fault:injected'][] {
  const events: TelemetryEvents['sd:v1:fault:injected'][] = []
  onTestFinished(subscribeTelemetry('sd:v1:fault:injected', (event) => events.push(event)))
  return events
}

/** Stands for the schema of the whole configuration, by zod or another library. */
const schema: StandardSchemaV1<unknown, { faults: FaultSettings }> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as { faults: FaultSettings } }) },
}

const rule = { name: 'drill', service: 'orders', error: 503 }

test('nothing is injected without the master switch, regardless of rules and headers', async () => {
  const faults = createFaultInjection({ rules: [rule], header: true })
  const events = record()
  const server = await startServer(faults)
  const client = clientOf(server, faults)
  const response = await client.get('orders', '/', { headers: { [FAULT_HEADER]: 'error=500' } })
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('0123456789')
  expect(server.requests[0]?.headers[FAULT_HEADER]).toBe('error=500')
  expect(events).toEqual([])
})

test('returns a status instead of a response without a request to the server, and publishes it', async () => {
  const faults = createFaultInjection({ enabled: true, rules: [rule] })
  const events = record()
  const server = await startServer()
  const response = await clientOf(server, faults).get('orders', '/')
  expect(response.status).toBe(503)
  expect(await response.bytes()).toHaveLength(0)
  expect(server.requests).toHaveLength(0)
  expect(events).toMatchObject([{ service: 'orders', rule: 'drill', faults: ['error'], side: 'client' }])
  expect(events[0]?.instanceId).toContain('127.0.0.1')
})

test('retries see a broken connection, and only a share of the calls is affected', async () => {
  const draws = [0.4, 0.6]
  const faults = createFaultInjection({
    enabled: true,
    rules: [{ share: 0.5, error: 'unavailable' }],
    random: () => draws.shift() ?? 0.9,
  })
  const server = await startServer()
  const client = clientOf(server, faults, { retry: createRetryPolicy() })
  const response = await client.get('orders', '/')
  expect([response.status, response.attempts]).toEqual([200, 2])
  await response.bytes()
  faults.configure({ enabled: true, rules: [{ error: 'unavailable' }] })
  await expect(client.post('orders', '/')).rejects.toMatchObject({
    code: 'SD_UNAVAILABLE',
    message: expect.stringContaining('rule-1'),
  })
})

test('cuts a body after that number of bytes; a shorter one is unchanged', async () => {
  const faults = createFaultInjection({ enabled: true, rules: [{ cutAfterBytes: 4 }] })
  const server = await startServer()
  const client = clientOf(server, faults)
  const response = await client.get('orders', '/')
  expect(response.status).toBe(200)
  const parts: Uint8Array[] = []
  const read = async (): Promise<void> => {
    for await (const part of response.body) parts.push(part)
  }
  await expect(read()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  expect(Buffer.concat(parts).toString()).toBe('0123')
  faults.configure({ enabled: true, rules: [{ cutAfterBytes: 10 }] })
  expect(await (await client.get('orders', '/')).text()).toBe('0123456789')
})

test('a delay ends with the deadline of the call', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const faults = createFaultInjection({ enabled: true, rules: [{ delayMs: 200, jitterMs: 100 }], random: () => 0.5 })
  const next = vi.fn(async () => 'response' as never)
  const context = { call: { service: 'orders', method: 'GET', path: '/', signal: new AbortController().signal }, headers: {} }
  const endpoint = { instance: { id: 'a' } }
  const running = faults.interceptor({ ...context, endpoint } as never, next)
  await vi.advanceTimersByTimeAsync(249)
  expect(next).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(await running).toBe('response')
  const aborted = { ...context.call, signal: AbortSignal.abort() }
  await expect(faults.interceptor({ ...context, call: aborted, endpoint } as never, next)).rejects.toMatchObject({
    code: 'SD_ABORTED',
  })
  expect(vi.getTimerCount()).toBe(0)
})

test('a header asks for a fault at one hop, and is forwarded to the hop that it names', async () => {
  const faults = createFaultInjection({ enabled: true, header: true })
  const server = await startServer(createFaultInjection({ enabled: true, header: true }))
  const client = clientOf(server, faults)
  const ask = (header: string) => client.get('orders', '/', { headers: { [FAULT_HEADER]: header } })
  expect((await ask('error=429; service=orders')).status).toBe(429)
  expect(server.requests).toHaveLength(0)
  for (const ignored of ['error=1', 'nonsense', 'error=503;error=500', `delay=${'1'.repeat(300)}`, 'share=0.5', '__proto__=1']) {
    const response = await ask(ignored)
    expect([ignored, response.status]).toEqual([ignored, 200])
    await response.bytes()
  }
  await (await ask('error=503; service=stock')).bytes()
  expect(server.requests.at(-1)?.headers[FAULT_HEADER]).toBe('error=503; service=stock')
})

test('rules match service, method and path', async () => {
  const faults = createFaultInjection({
    enabled: true,
    rules: [
      { service: 'stock', error: 500 },
      { methods: ['POST', 'PUT'], error: 501 },
      { pathPrefix: '/reports', error: 502 },
    ],
  })
  const client = clientOf(await startServer(), faults)
  const statusOf = async (method: string, path: string): Promise<number> => {
    const response = await client.request('orders', path, { method })
    await response.bytes()
    return response.status
  }
  expect(await statusOf('GET', '/')).toBe(200)
  expect(await statusOf('PUT', '/')).toBe(501)
  expect(await statusOf('GET', '/reports/1')).toBe(502)
})

test('a server delays, responds with an error, breaks the connection, or cuts its response', async () => {
  const faults = createFaultInjection({ enabled: true, rules: [{ error: 503, delayMs: 1 }] })
  const events = record()
  const server = await startServer(faults)
  const client = clientOf(server)
  const refused = await client.get('orders', '/')
  expect([refused.status, await refused.text()]).toEqual([503, 'injected by rule-1\n'])
  faults.configure({ enabled: true, rules: [{ error: 'unavailable' }] })
  await expect(client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  expect(server.requests).toHaveLength(0)
  for (const path of ['/', '/chunks', '/text']) {
    for (const bytes of [0, 4]) {
      faults.configure({ enabled: true, rules: [{ cutAfterBytes: bytes }] })
      const read = client.get('orders', path).then((response) => response.text())
      await expect(read).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    }
    faults.configure({ enabled: true, rules: [{ cutAfterBytes: 10 }] })
    expect(await (await client.get('orders', path)).text()).toBe('0123456789')
  }
  expect(events.every(({ side }) => side === 'server')).toBe(true)
})

test('a request that was aborted during its delay is not handled', async () => {
  const faults = createFaultInjection({ enabled: true, rules: [{ delayMs: 60_000 }] })
  const server = await startServer(faults)
  await expect(clientOf(server).get('orders', '/', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
  expect(server.requests).toHaveLength(0)
})

test('live configuration: a valid update takes effect at once, an invalid one is rejected by field and changes nothing', async () => {
  const faults = createFaultInjection()
  const source = createMemoryConfigSource({ entries: { 'app.yaml': 'faults: { enabled: false }' } })
  const config = await createConfig({ sources: [source], schema })
  closers.push(
    () => source.close(),
    () => config.close(),
  )
  const errors: unknown[] = []
  config.onChange('faults', ({ value }) => {
    try {
      faults.configure(value)
    } catch (error) {
      errors.push(error)
    }
  })
  await source.put('app.yaml', 'faults: { enabled: true, rules: [{ error: 503 }] }')
  await vi.waitFor(() => expect(faults.settings.enabled).toBe(true))
  await source.put('app.yaml', 'faults: { enabled: true, rules: [{ error: 200 }] }')
  await vi.waitFor(() => expect(errors).toHaveLength(1))
  expect(errors[0]).toMatchObject({
    code: 'SD_INVALID',
    message: 'Invalid rules[0].error: got 200, want a status from 400 to 599, or unavailable',
  })
  expect(faults.settings.rules).toMatchObject([{ error: 503 }])
})

import { createRandomBalancer } from '@sd/balancer-random'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFetchTransport, createServiceClient, type ServiceClientOptions } from '../index.ts'
import { resolveClientOptions } from './options.ts'

let discovery: Discovery
beforeEach(() => {
  discovery = createDiscovery({ source: createMemoryRegistry() })
})
afterEach(() => discovery.close())

const resolve = (options: object = {}) => resolveClientOptions({ discovery, balancer: createRandomBalancer(), ...options })

describe('an option that is wrong is named', () => {
  test.each<[string, object]>([
    ['connections', { connections: 0 }],
    ['connections', { connections: 65_536 }],
    ['keepAliveTimeoutMs', { keepAliveTimeoutMs: 0 }],
    ['connectTimeoutMs', { connectTimeoutMs: 0 }],
    ['allowH2', { allowH2: 'yes' }],
    ['decompress', { decompress: 1 }],
    ['dispatcher.dispatch', { dispatcher: {} }],
    ['tls.pem', { tls: { pem: 'x' } }],
    ['http2.maxSessions', { http2: { maxSessions: 0 } }],
    ['http2.pingTimeoutMs', { http2: { pingTimeoutMs: 0 } }],
    ['http2.pings', { http2: { pings: true } }],
    ['maxResponseBytes', { maxResponseBytes: 0 }],
    ['closeTimeoutMs', { closeTimeoutMs: -1 }],
    ['idleMs', { idleMs: 0 }],
    ['interceptors', { interceptors: [] }],
    ['interceptors.calls', { interceptors: { calls: [] } }],
    ['interceptors.attempt[1]', { interceptors: { attempt: [() => undefined, {}] } }],
    ['balancer', { balancer: createRandomBalancer }],
    ['balancer.createPicker', { balancer: {} }],
    ['discovery.cluster', { discovery: {} }],
    ['timeout', { timeout: 1 }],
  ])('%s of %j', (field, options) => {
    expect(() => resolve(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('and a discovery in the place of the options gets an example', () => {
    expect(() => createServiceClient(discovery as never)).toThrow('createServiceClient({ discovery, balancer })')
  })
})

test('the least options give the documented defaults', async () => {
  const { transport, ...options } = resolve()
  expect(options).toEqual({
    discovery,
    balancer: expect.objectContaining({ name: 'random' }),
    headers: {},
    settings: { balancer: expect.objectContaining({ name: 'random' }) },
    interceptors: { call: [], attempt: [] },
    maxResponseBytes: 16_777_216,
    closeTimeoutMs: 5_000,
    idleMs: 600_000,
  })
  expect(transport.name).toBe('undici')
  await transport.close()
})

test('given options are used', async () => {
  const transport = createFetchTransport()
  const interceptor = (_: unknown, next: () => unknown): unknown => next()
  const given = {
    transport,
    decompress: true,
    timeoutMs: 5,
    services: { orders: { timeoutMs: 6 } },
    interceptors: { call: [interceptor] },
    maxResponseBytes: 1,
    closeTimeoutMs: 0,
    idleMs: 1,
  } as unknown as ServiceClientOptions
  expect(resolve(given)).toMatchObject({
    transport,
    headers: { 'accept-encoding': 'gzip, deflate, br' },
    settings: { timeoutMs: 5, services: { orders: { timeoutMs: 6 } } },
    interceptors: { call: [interceptor], attempt: [] },
    maxResponseBytes: 1,
    closeTimeoutMs: 0,
    idleMs: 1,
  })
  const http = { connections: 1, keepAliveTimeoutMs: 1, connectTimeoutMs: 1, allowH2: false, decompress: false }
  await resolve({ ...http, http2: { maxSessions: 1, pingIntervalMs: 0 } }).transport.close()
})

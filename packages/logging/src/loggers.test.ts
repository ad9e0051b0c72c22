import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { publishTelemetry, SdError } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { eventually } from '@sd/testing'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLogger, format, transports } from 'winston'
import { createLogContext, createServiceLogging, type ServiceLogger, type ServiceLogging } from './index.ts'

afterEach(() => vi.restoreAllMocks())

/** Serves one request that calls a service without instances. */
async function serve(logging: ServiceLogging, inRoute: () => void): Promise<void> {
  const discovery = createDiscovery({ source: createStaticRegistry({ instances: [] }) })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    interceptors: { call: [logging.interceptor] },
  })
  const server = createServer((request, response) => {
    logging.middleware(request, response, async () => {
      inRoute()
      await client.get('stock', '/').catch(() => undefined)
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await fetch(`http://127.0.0.1:${port}/orders`, { headers: { 'x-request-id': 'r1', 'x-user-id': 'ann' } })
  await client.close()
  await discovery.close()
  server.closeAllConnections()
  server.close()
}

describe('winston', () => {
  function start(level: string): { readonly lines: Record<string, unknown>[]; readonly run: () => Promise<void> } {
    const lines: Record<string, unknown>[] = []
    const stream = new Writable({
      write(chunk, _, done) {
        lines.push(JSON.parse(String(chunk)))
        done()
      },
    })
    const context = createLogContext()
    const withContext = format((info) => Object.assign(info, context.get()))
    const logger = createLogger({
      level,
      format: format.combine(withContext(), format.timestamp(), format.json()),
      transports: [new transports.Stream({ stream })],
    })
    const logging = createServiceLogging({ logger, context })
    onTestFinished(() => logging.close())
    return { lines, run: () => serve(logging, () => logger.info('in the route', { pieces: 3 })) }
  }

  test('is a logger as it is, and has the fields of the request in its own lines', async () => {
    const { lines, run } = start('debug')
    await run()
    await eventually(() => expect(lines.map(({ message }) => message)).toContain('request ended'), 5_000)
    const fields = { request_id: 'r1', user_id: 'ann', timestamp: expect.any(String) }
    expect(lines).toEqual([
      { ...fields, level: 'info', message: 'in the route', pieces: 3 },
      {
        ...fields,
        ...{ level: 'warn', message: 'call failed', peer_service: 'stock', method: 'GET', path: '/', attempts: 0 },
        duration_ms: expect.any(Number),
        err: expect.objectContaining({ name: 'SdError', code: 'SD_NO_INSTANCE', stack: expect.any(String) }),
      },
      {
        ...fields,
        level: 'info',
        message: 'request ended',
        method: 'GET',
        path: '/orders',
        status: 200,
        duration_ms: expect.any(Number),
      },
    ])
  })

  test('decides which levels are written', async () => {
    const { lines, run } = start('warn')
    await run()
    await eventually(() => expect(lines).toHaveLength(1), 5_000)
    publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'connected' })
    publishTelemetry('sd:v1:backend:state', {
      backend: 'consul',
      state: 'disconnected',
      error: new SdError('SD_UNAVAILABLE', 'away'),
    })
    await eventually(() => expect(lines).toHaveLength(2), 5_000)
    expect(lines.map(({ message }) => message)).toEqual(['call failed', 'backend disconnected'])
  })
})

test('the console is a logger', async () => {
  const written = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const logging = createServiceLogging({ logger: console })
  await serve(logging, () => expect(logging.context.get()).toMatchObject({ request_id: 'r1' }))
  await eventually(() => expect(written.mock.calls.at(-1)?.slice(0, 2)).toEqual(['info', 'request ended']), 5_000)
  await logging.close()
  expect(written.mock.calls.at(-1)?.[2]).toMatchObject({ request_id: 'r1', path: '/orders', status: 200 })
})

test('a logger that throws, or can not tell its level, affects no request; its error is a process warning', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const failing = (): never => {
    throw new Error('the disk is full')
  }
  const logger: ServiceLogger = { log: failing, isLevelEnabled: failing }
  const logging = createServiceLogging({ logger })
  await serve(logging, () => undefined)
  await eventually(() => expect(warned).toHaveBeenCalled(), 5_000)
  await logging.close()
})

test('errors are passed as they are to a logger that serializes them', async () => {
  const errors: unknown[] = []
  const logging = createServiceLogging({ logger: { log: (_, __, { err }) => errors.push(err) }, plainErrors: false })
  const error = new SdError('SD_UNAVAILABLE', 'away')
  publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'disconnected', error })
  await logging.close()
  expect(errors).toEqual([error])
  expect(errors[0]).toBe(error)
})

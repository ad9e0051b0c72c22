import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { publishTelemetry, SdError } from '@sd/core'
import { eventually } from '@sd/testing'
import fastify from 'fastify'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createServiceLogging, type ServiceLogging, type ServiceLoggingOptions } from './index.ts'
import { type CollectingLogger, createCollectingLogger } from './testing/lines.ts'

function start(options: Partial<ServiceLoggingOptions> = {}): CollectingLogger & { readonly logging: ServiceLogging } {
  const collecting = createCollectingLogger()
  const { logger, context } = collecting
  const logging = createServiceLogging({ logger, context, ...options })
  onTestFinished(() => logging.close())
  return { ...collecting, logging }
}

test('the lines of a request have its fields, also those of the route, after Fastify has read the body', async () => {
  const { logging, logger, context, lines } = start()
  const app = fastify()
  onTestFinished(async () => void (await app.close()))
  logging.addFastifyHooks(app)
  app.post('/orders', async ({ body }) => {
    logger.info({ password: 'hunter2' }, 'looking up')
    return { ...context.get(), body }
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const headers = { 'content-type': 'application/json', 'x-request-id': 'r1', 'x-user-id': 'ann' }
  const response = await fetch(`${origin}/orders`, { method: 'POST', headers, body: '{"a":1}' })
  expect(await response.json()).toEqual({ request_id: 'r1', user_id: 'ann', body: { a: 1 } })
  await eventually(() => expect(lines()).toHaveLength(2), 5_000)
  expect(lines()).toMatchObject([
    { level: 'info', msg: 'looking up', password: '[Redacted]', request_id: 'r1', user_id: 'ann', service: 'orders' },
    { level: 'info', msg: 'request ended', path: '/orders', status: 200, request_id: 'r1', user_id: 'ann' },
  ])
})

test('errors reach the serializers of pino', () => {
  const { lines } = start()
  const error = new SdError('SD_UNAVAILABLE', 'away')
  publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'disconnected', error })
  expect(lines()).toMatchObject([{ level: 'warn', backend: 'consul', err: { type: 'SdError', code: 'SD_UNAVAILABLE' } }])
})

test('another pino logger gets the fields too, and decides which levels are written', async () => {
  const written: string[] = []
  const logger = pino({ base: null, level: 'warn' }, { write: (line) => void written.push(line) })
  const { logging } = start({ logger })
  const server = createServer((request, response) => {
    logging.middleware(request, response, () => response.writeHead(request.url === '/bad' ? 500 : 200).end())
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const path of ['/good', '/bad']) await fetch(`${origin}${path}`, { headers: { 'x-request-id': 'r1' } })
  await eventually(() => expect(written).toHaveLength(1), 5_000)
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ level: 50, request_id: 'r1', path: '/bad', msg: 'request ended' })
})

test.each<[string, object]>([
  ['logger.isLevelEnabled', { logger: {} }],
  ['logger', { logger: undefined }],
  ['context.run', { context: {} }],
])('%s is refused', (field, options) => {
  const { logger, context } = createCollectingLogger()
  expect(() => createServiceLogging({ logger, context, ...options } as ServiceLoggingOptions)).toThrow(`Invalid ${field}`)
})

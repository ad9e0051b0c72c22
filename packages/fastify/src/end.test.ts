import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import websocket from '@fastify/websocket'
import { type Registry, SdError } from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type SdFastifyOptions, sdFastify } from './index.ts'

let registry: MemoryRegistry
beforeEach(() => {
  registry = createMemoryRegistry()
})
afterEach(() => registry.close())

interface Made {
  readonly app: FastifyInstance
  /** What happened, in order. */
  readonly events: string[]
}

/** An application with an event stream and a WebSocket. */
async function make(options: Partial<SdFastifyOptions> = {}, server: FastifyServerOptions = {}): Promise<Made> {
  const app: FastifyInstance = Fastify(server)
  const events: string[] = []
  onTestFinished(async () => void (await app.close().catch(() => undefined)))
  await app.register(websocket)
  await app.register(sdFastify, {
    service: 'orders',
    registry,
    instance: { address: '127.0.0.1' },
    lifecycle: { propagationDelayMs: 100, exit: false, signals: [] },
    onClose: [() => events.push('service')],
    onError: ({ code }) => events.push(`error ${code}`),
    ...options,
  })
  const streams = new Set<PassThrough>()
  app.addHook('preClose', async () => {
    events.push(`preClose with ${await instances()}`)
    for (const stream of streams) stream.end('data: bye\n\n')
  })
  app.addHook('onClose', async () => void events.push(`onClose, ${app.server.listening ? 'listens' : 'closed'}`))
  app.get('/events', (_, reply) => {
    const stream = new PassThrough()
    streams.add(stream)
    stream.write('data: hello\n\n')
    return reply.type('text/event-stream').send(stream)
  })
  app.get('/socket', { websocket: true }, (socket) => void socket.on('message', (text) => socket.send(String(text))))
  app.get('/', async () => 'served')
  return { app, events }
}

async function listen(app: FastifyInstance): Promise<string> {
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  await vi.waitFor(() => expect(app.sd.state).toBe('ready'))
  return origin
}

const instances = async (): Promise<number> => (await registry.getInstances('orders')).instances.length

describe('close()', () => {
  test('leaves the registry, serves until callers know, and ends streams and WebSockets in the order of Fastify', async () => {
    const checked = Promise.withResolvers<void>()
    const { app, events } = await make({
      lifecycle: {
        propagationDelayMs: 0,
        beforeDrain: [() => checked.promise],
        stepTimeoutMs: 20_000,
        exit: false,
        signals: [],
      },
    })
    const origin = await listen(app)
    const stream = await fetch(`${origin}/events`)
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/socket`)
    await once(socket, 'open')
    const closed = once(socket, 'close')

    const closing = app.close()
    await vi.waitFor(async () => expect(await instances()).toBe(0))
    // Fastify by itself would answer 503 from the first moment.
    const late = await fetch(origin)
    expect([late.status, await late.text(), late.headers.get('connection')]).toEqual([200, 'served', 'close'])
    socket.send('late')
    expect(String((await once(socket, 'message'))[0])).toBe('late')
    expect((await fetch(`${origin}/health/ready`)).status).toBe(503)

    checked.resolve()
    expect(await stream.text()).toBe('data: hello\n\ndata: bye\n\n')
    await closed
    await closing
    expect(events).toEqual(['preClose with 0', 'onClose, closed', 'service'])
    expect(app.sd.state).toBe('stopped')
  })

  test('is one end, however often and in whatever form it is called', async () => {
    const { app, events } = await make()
    await listen(app)
    const listener = vi.fn()
    const closing = app.close()
    expect(app.close(listener)).toBeUndefined()
    expect(app.close()).toBe(closing)
    await Promise.all([closing, app[Symbol.asyncDispose]()])
    await app.close()
    await vi.waitFor(() => expect(listener).toHaveBeenCalledOnce())
    expect(events).toEqual(['preClose with 0', 'onClose, closed', 'service'])
    await expect(app.inject('/')).rejects.toMatchObject({ code: 'FST_ERR_REOPENED_CLOSE_SERVER' })
  })

  test('without a server ends hooks first, which may use the client, then the service', async () => {
    const { app, events } = await make()
    let isOpen = false
    app.addHook('onClose', async () => {
      isOpen = app.sd.client.explain('stock') !== undefined
    })
    await app.inject('/')
    await app.close()
    expect(isOpen).toBe(true)
    expect(events).toEqual(['preClose with 0', 'onClose, closed', 'service'])
    expect(app.sd.state).toBe('stopped')
  })

  test('rejects with what a hook threw, after everything has ended', async () => {
    const { app, events } = await make()
    app.addHook('onClose', async () => {
      throw new Error('the pool is busy')
    })
    await listen(app)
    await expect(app.close()).rejects.toThrow('the pool is busy')
    expect(events).toEqual(['preClose with 0', 'onClose, closed', 'error SD_UNAVAILABLE', 'service'])
    expect(app.sd.state).toBe('stopped')
  })

  test('cuts what does not end within the limit', async () => {
    const { app, events } = await make({
      lifecycle: { propagationDelayMs: 0, drainTimeoutMs: 300, exit: false, signals: [] },
    })
    const received = Promise.withResolvers<void>()
    app.get('/never', () => {
      received.resolve()
      return new Promise(() => undefined)
    })
    const origin = await listen(app)
    const never = fetch(`${origin}/never`)
    const failed = expect(never).rejects.toThrow()
    await received.promise
    await app.close()
    await failed
    expect(events).toContain('error SD_TIMEOUT')
  })

  test('of HTTP/2 too', async () => {
    const app = Fastify({ http2: true })
    await app.register(sdFastify, {
      service: 'orders',
      registry,
      instance: { address: '127.0.0.1', protocol: 'h2c' },
      lifecycle: { propagationDelayMs: 0, exit: false, signals: [] },
    })
    app.get('/', async ({ raw }) => raw.httpVersion)
    await app.listen({ port: 0, host: '127.0.0.1' })
    await vi.waitFor(() => expect(app.sd.state).toBe('ready'))
    expect(await (await app.sd.client.get('orders', '/')).text()).toBe('2.0')
    expect((await app.sd.client.get('orders', '/health/ready')).status).toBe(200)
    await app.close()
    expect(await instances()).toBe(0)
  })
})

describe('a start', () => {
  test('with a port that is in use rejects, registers nothing, and can be closed', async () => {
    const other = Fastify()
    onTestFinished(() => other.close())
    await other.listen({ port: 0, host: '127.0.0.1' })
    const address = other.server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const { app } = await make()
    await expect(app.listen({ port, host: '127.0.0.1' })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(app.sd.state).toBe('created')
    expect(await instances()).toBe(0)
    await app.close()
    expect(app.sd.state).toBe('stopped')
  })

  test('of an application that listens already rejects, and registers it once', async () => {
    const { app } = await make()
    await listen(app)
    await expect(app.listen({ port: 0, host: '127.0.0.1' })).rejects.toMatchObject({ code: 'FST_ERR_REOPENED_SERVER' })
    expect(app.sd.state).toBe('ready')
    expect(await instances()).toBe(1)
  })

  test('that fails in another plugin can be closed', async () => {
    const { app, events } = await make()
    void app.register(async () => {
      throw new Error('no database')
    })
    await expect(app.listen({ port: 0, host: '127.0.0.1' })).rejects.toThrow('no database')
    await app.close()
    expect(events).toContain('service')
    expect(app.sd.state).toBe('stopped')
  })

  test('that ends while it listens leaves nothing registered', async () => {
    const { app } = await make()
    // Fastify gives up listening, and the promise stays pending.
    void app.listen({ port: 0, host: '127.0.0.1' }).catch(() => undefined)
    await app.close()
    expect(await instances()).toBe(0)
    expect(app.sd.state).toBe('stopped')
  })
})

describe('a registry', () => {
  test('that is unreachable does not end the start: the registration follows', async () => {
    const { app, events } = await make({
      registry: 'consul://127.0.0.1:9?operationTimeoutMs=300',
      lifecycle: { propagationDelayMs: 0, stepTimeoutMs: 500, exit: false, signals: [] },
    })
    const origin = await listen(app)
    expect(app.sd.registration?.state).toBe('recovering')
    expect((await fetch(origin)).status).toBe(200)
    await app.close()
    expect(app.sd.state).toBe('stopped')
    expect(events).toContain('service')
  })

  const refusing = (): Registry => ({
    ...registry,
    register: () => Promise.reject(new SdError('SD_DENIED', 'The token may not register orders')),
  })

  test('that refuses is reported once; the application stays and is not ready', async () => {
    const onError = vi.fn()
    const { app } = await make({ registry: refusing(), onError })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    await vi.waitFor(() => expect(onError).toHaveBeenCalledOnce())
    expect(onError).toHaveBeenCalledWith(
      expect.objectContaining({ code: 'SD_DENIED', message: 'The token may not register orders' }),
    )
    expect((await fetch(origin)).status).toBe(200)
    expect((await fetch(`${origin}/health/ready`)).status).toBe(503)
    expect((await fetch(`${origin}/health/live`)).status).toBe(200)
    await app.close()
    expect(onError).toHaveBeenCalledOnce()
    expect(app.server.listening).toBe(false)
  })

  test('that refuses closes the application, if that is the option', async () => {
    const before = process.exitCode
    const { app, events } = await make({ registry: refusing(), failOnRefusal: true })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await vi.waitFor(() => expect(app.sd.state).toBe('stopped'))
    expect(process.exitCode).toBe(1)
    process.exitCode = before
    expect(app.server.listening).toBe(false)
    expect(events).toEqual(['error SD_DENIED', 'preClose with 0', 'onClose, closed', 'service'])
  })

  test('that refuses is a process warning without onError', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warned.mockRestore())
    const app = Fastify()
    onTestFinished(() => app.close())
    const lifecycle = { exit: false, signals: [] }
    await app.register(sdFastify, { service: 'orders', registry: refusing(), instance: { address: '127.0.0.1' }, lifecycle })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await vi.waitFor(() => expect(warned).toHaveBeenCalledOnce())
    expect(warned.mock.calls[0]?.[0]).toBe('The token may not register orders')
  })
})

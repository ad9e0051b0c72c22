import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { createMemoryRegistry } from '@sd/registry-memory'
import { type CertificateSet, createCertificates } from '@sd/test-servers'
import Fastify from 'fastify'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createLifecycle, type Lifecycle, type LifecycleOptions, type LifecycleServer } from './index.ts'

let certificates: CertificateSet
beforeAll(async () => {
  certificates = await createCertificates()
})

async function setUp(server: LifecycleServer, options: Partial<LifecycleOptions> = {}): Promise<Lifecycle> {
  const registrar = createMemoryRegistry()
  const instance = { service: 'orders', address: '127.0.0.1' }
  const base = {
    registrar,
    server,
    instance,
    propagationDelayMs: 0,
    drainTimeoutMs: 10_000,
    signals: [],
    onError: () => undefined,
  }
  const lifecycle = createLifecycle({ ...base, ...options })
  await lifecycle.start()
  return lifecycle
}

function listen<Listening extends Server>(server: Listening): Listening {
  return server.listen(0, '127.0.0.1')
}

// The grace period of an incomplete request is in virtual time, so that only it can end the connection, however busy the
// machine is.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  return () => void vi.useRealTimers()
})

const portOf = (server: Server): number => (server.address() as AddressInfo).port

const connections: Readonly<
  Record<string, (handle: RequestListener) => Promise<{ server: Server; open: () => Promise<Socket> }>>
> = {
  async 'HTTP/1.1'(handle) {
    const server = listen(createServer(handle))
    await once(server, 'listening')
    return {
      server,
      async open() {
        const socket = connect(portOf(server), '127.0.0.1')
        await once(socket, 'connect')
        return socket
      },
    }
  },
  async 'HTTP/1.1 over TLS'(handle) {
    const server = listen(createSecureServer(certificates.server, handle))
    await once(server, 'listening')
    return {
      server,
      async open() {
        const socket = connectTls({ port: portOf(server), host: '127.0.0.1', ca: certificates.ca })
        await once(socket, 'secureConnect')
        return socket
      },
    }
  },
}

describe.each(Object.entries(connections))('over %s', (_, serve) => {
  test('a connection without a request does not block draining', async () => {
    const { server, open } = await serve((_, response) => void response.end())
    const lifecycle = await setUp(server)
    const socket = await open()
    const closed = once(socket, 'close')
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
    await closed
  })

  test('connections that the system has accepted for a process that stood still are served', async () => {
    const { server, open } = await serve((_, response) => void response.end('ok'))
    const lifecycle = await setUp(server)
    const responses = Array.from({ length: 100 }, async () => {
      const socket = await open()
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
      return String((await once(socket, 'data'))[0])
    })
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
    for (const response of await Promise.all(responses)) expect(response).toContain('200 OK')
  })

  test('an idle connection after a request does not block it either', async () => {
    const { server, open } = await serve((_, response) => void response.end('ok'))
    const lifecycle = await setUp(server)
    const socket = await open()
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(socket, 'data')
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
  })

  test('an incomplete request gets a second to arrive', async () => {
    const { server, open } = await serve((_, response) => void response.end('ok'))
    const lifecycle = await setUp(server)
    const [whole, half] = [await open(), await open()]
    for (const socket of [whole, half]) socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nhost:')
    await delay(50)
    let isClosed = false
    const closing = lifecycle.close().finally(() => {
      isClosed = true
    })
    while (server.listening) await delay(5)
    vi.advanceTimersByTime(1_000)
    await delay(300)
    expect(isClosed).toBe(false)
    whole.write(' x\r\n\r\n')
    expect(String((await once(whole, 'data'))[0])).toContain('200 OK')
    vi.advanceTimersByTime(1)
    expect(await closing).toEqual({ drained: true, errors: [] })
  })

  test('cut work is reported: requests and upgraded sockets, each once', async () => {
    const { server, open } = await serve(() => undefined)
    server.on(
      'upgrade',
      (_, socket) => void socket.on('error', () => undefined).write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    )
    const messages: string[] = []
    const lifecycle = await setUp(server, { drainTimeoutMs: 200, onError: ({ message }) => messages.push(message) })
    const sockets = await Promise.all([open(), open(), open(), open()])
    for (const [index, socket] of sockets.entries()) {
      socket.on('error', () => undefined)
      const upgrade = index < 2 ? '' : 'connection: upgrade\r\nupgrade: echo\r\n'
      socket.write(`GET / HTTP/1.1\r\nhost: x\r\n${upgrade}\r\n`)
    }
    await once(sockets[3] as Socket, 'data')
    await delay(50)
    const closed = sockets.map((socket) => once(socket.resume(), 'close'))
    const { drained, cut } = await lifecycle.close()
    expect({ drained, cut }).toEqual({ drained: false, cut: { requests: 2, upgraded: 2, connections: 0 } })
    expect(messages).toEqual(['Cut after drainTimeoutMs = 200 ms: 2 requests, 2 upgraded sockets'])
    await Promise.all(closed)
  })
})

test('a connection that never began its TLS handshake does not block draining', async () => {
  const server = listen(createSecureServer(certificates.server))
  const lifecycle = await setUp(server)
  const socket = connect(portOf(server), '127.0.0.1').on('error', () => undefined)
  await once(socket, 'connect')
  await delay(20)
  expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
})

describe('WebSockets', () => {
  test('receive a close frame, and end by themselves', async () => {
    const server = listen(createServer())
    const lifecycle = await setUp(server)
    // Attached later, as frameworks do.
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
    const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}`)
    await once(client, 'open')
    client.send('hello')
    expect(String((await once(client, 'message'))[0])).toBe('hello')
    const closed = once(client, 'close')
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
    expect((await closed)[0]).toBe(1_001)
  })

  test('that do not respond are cut off at the timeout', async () => {
    const server = listen(createServer())
    const sockets = new WebSocketServer({ server, closeTimeout: 60_000 } as object)
    const lifecycle = await setUp(server, { drainTimeoutMs: 200 })
    const client = connect(portOf(server), '127.0.0.1').on('error', () => undefined)
    client.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n')
    client.write('sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
    await once(client, 'data')
    const closed = once(client, 'close')
    const report = await lifecycle.close()
    expect(report).toMatchObject({ drained: false, cut: { requests: 0, upgraded: 1, connections: 0 } })
    await closed
    sockets.close()
  })

  test('the application decides about upgrades: without a listener they are plain requests', async () => {
    const server = listen(createServer((_, response) => void response.end('plain')))
    const lifecycle = await setUp(server)
    const upgrade = (): void => undefined
    server.on('upgrade', upgrade).off('upgrade', upgrade)
    expect(server.listenerCount('upgrade')).toBe(0)
    const client = connect(portOf(server), '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n')
    expect(String((await once(client, 'data'))[0])).toContain('200 OK')
    client.destroy()
    await lifecycle.close()
  })
})

test('beforeDrain ends event streams completely, once callers know and before the server stops', async () => {
  const streams = new Set<{ end(text: string): unknown }>()
  const server = listen(
    createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      streams.add(response)
    }),
  )
  const order: string[] = []
  const lifecycle = await setUp(server, {
    propagationDelayMs: 50,
    beforeDrain: [
      () => {
        order.push(`beforeDrain, listening: ${server.listening}`)
        for (const stream of streams) stream.end('data: bye\n\n')
      },
    ],
    onShutdown: [() => order.push(`hook, listening: ${server.listening}`)],
  })
  const response = await fetch(`http://127.0.0.1:${portOf(server)}`)
  const text = response.text()
  await delay(20)
  expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
  expect(await text).toBe('data: 1\n\ndata: bye\n\n')
  expect(order).toEqual(['beforeDrain, listening: true', 'hook, listening: false'])
})

test('a Fastify application runs its hooks in its own order, and its streams end completely', async () => {
  const app = Fastify({ forceCloseConnections: false })
  const order: string[] = []
  const ends: (() => void)[] = []
  app.addHook('preClose', async () => {
    order.push(`preClose, listening: ${app.server.listening}`)
    for (const end of ends) end()
  })
  app.addHook('onClose', async () => void order.push('onClose'))
  app.get('/', (_, reply) => {
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    ends.push(() => reply.raw.end('data: bye\n\n'))
    reply.hijack()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const lifecycle = await setUp(app, { onShutdown: [() => order.push('onShutdown')] })
  const idle = connect(portOf(app.server), '127.0.0.1')
  const response = await fetch(`http://127.0.0.1:${portOf(app.server)}`)
  const text = response.text()
  await delay(20)
  expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
  expect(await text).toBe('data: 1\n\ndata: bye\n\n')
  expect(order).toEqual(['preClose, listening: true', 'onClose', 'onShutdown'])
  idle.destroy()
})

import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { createBulkhead } from '@sd/concurrency-limit'
import { afterEach, describe, expect, test } from 'vitest'
import { callKind, kinds } from './testing/kinds.ts'
import { grpcModulesToTest } from './testing/modules.ts'
import type { GrpcJs } from './testing/orders.ts'
import { startServerProcess } from './testing/processes.ts'
import { createStage, type Stage } from './testing/stage.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server that accepts connections and sends nothing: grpc-js waits for its SETTINGS. */
async function listenSilently(): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** An HTTP/2 server that handles every stream with the given function. */
async function serveStreams(reply: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void): Promise<number> {
  const server: Http2Server = createServer()
  const streams = new Set<ServerHttp2Stream>()
  server.on('stream', (stream, headers) => {
    streams.add(stream)
    stream.on('error', () => undefined)
    reply(stream, headers)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closers.push(() => {
    for (const { session } of streams) session?.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const head = { ':status': 200, 'content-type': 'application/grpc+proto' }
const message = (text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)])

/** Attempts in progress, over all endpoints. */
function active({ discovery }: Stage): number {
  return discovery.cluster('orders').view.endpoints.reduce((sum, endpoint) => sum + endpoint.active, 0)
}

/** The states of a call. Each creates a stage with a call in that state. */
const phases: readonly (readonly [name: string, prepare: (grpc: GrpcJs) => Promise<{ stage: Stage; waitForReady?: boolean }>])[] =
  [
    [
      'while it waits for the first list of instances',
      async (grpc) => {
        const stage = createStage(grpc, { discovery: { readyTimeoutMs: 60_000 } })
        stage.store.setAvailable(false)
        return { stage }
      },
    ],
    ['while it waits for an instance', async (grpc) => ({ stage: createStage(grpc), waitForReady: true })],
    [
      'while it waits for a place',
      async (grpc) => {
        const concurrencyLimit = ({ name }: { name: string }) => createBulkhead({ name, maxConcurrent: 1, maxQueued: 10 })
        const stage = createStage(grpc, { client: { concurrencyLimit, timeoutMs: 0 } })
        const { server } = await stage.serve('a', { behave: () => 'hang' })
        callKind(grpc, stage.dialWithPolicies(), 'unary')
        await expect.poll(() => server.calls).toBe(1)
        return { stage }
      },
    ],
    [
      'while it waits for a connection',
      async (grpc) => {
        const stage = createStage(grpc)
        await stage.register({ id: 'silent', port: await listenSilently() })
        return { stage }
      },
    ],
    [
      'while it waits before a retry',
      async (grpc) => {
        const retry = { name: 'slow', next: () => 30_000 }
        const stage = createStage(grpc, { client: { retry, idempotent: true, timeoutMs: 0 } })
        await stage.serve('a', { behave: () => ({ code: 14 }) })
        return { stage }
      },
    ],
    [
      'while the server hangs',
      async (grpc) => {
        const stage = createStage(grpc)
        await stage.serve('a', { behave: () => 'hang' })
        return { stage }
      },
    ],
    [
      'while the response arrives',
      async (grpc) => {
        const stage = createStage(grpc)
        await stage.serve('a', { behave: () => 'hang after the head' })
        return { stage }
      },
    ],
  ]

describe.each(grpcModulesToTest())('grpc-js %s', (minor, grpc: GrpcJs) => {
  describe.each(phases)('%s', (name, prepare) => {
    // Only a call with a single message is repeated.
    const fitting = kinds.filter((kind) => !name.includes('retry') || kind === 'unary' || kind === 'server stream')

    test.each(fitting)('a call is cancelled: %s', async (kind) => {
      const { stage, waitForReady = false } = await prepare(grpc)
      await using _stage = stage
      const before = active(stage)
      const { reply, cancel } = callKind(grpc, stage.dialWithPolicies(), kind, { waitForReady })
      setTimeout(cancel, 50)
      await expect(reply).rejects.toMatchObject({ code: 1 })
      expect(active(stage)).toBe(before)
    })

    // A retry after the deadline is not awaited.
    test.each(name.includes('retry') ? [] : fitting)('a call reaches its deadline: %s', async (kind) => {
      const { stage, waitForReady = false } = await prepare(grpc)
      await using _stage = stage
      const before = active(stage)
      const { reply } = callKind(grpc, stage.dialWithPolicies(), kind, { waitForReady, deadline: Date.now() + 80 })
      await expect(reply).rejects.toMatchObject({ code: 4 })
      expect(active(stage)).toBe(before)
    })
  })

  test('a call that is cancelled immediately is never sent', async () => {
    await using stage = createStage(grpc)
    const { server } = await stage.serve('a')
    const client = stage.dialWithPolicies()
    for (const kind of kinds) {
      const { reply, cancel } = callKind(grpc, client, kind)
      cancel()
      await expect(reply).rejects.toMatchObject({ code: 1 })
    }
    expect(server.calls).toBe(0)
    expect(await callKind(grpc, client, 'unary').reply).toBe('a')
  })

  test('a call whose deadline has passed is not sent', async () => {
    await using stage = createStage(grpc)
    const { server } = await stage.serve('a')
    const deadline = Date.now() - 1
    for (const kind of kinds)
      await expect(callKind(grpc, stage.dialWithPolicies(), kind, { deadline }).reply).rejects.toMatchObject({ code: 4 })
    expect(server.calls).toBe(0)
  })

  test('deadline and cancellation of an incoming call are passed on, and no listener is left on it', async () => {
    await using inner = createStage(grpc, { scheme: 'inner', client: { timeoutMs: 0 } })
    const deep = { cancelled: 0, deadline: 0 }
    await inner.serve('deep', {
      behave(call) {
        deep.deadline = Number(call.getDeadline())
        call.on('cancelled', () => deep.cancelled++)
        return 'hang'
      },
    })
    await using outer = createStage(grpc, { scheme: 'outer' })
    const client = inner.dialWithPolicies()
    const left: number[] = []
    await outer.serve('front', {
      behave(call) {
        const before = call.listenerCount('cancelled')
        const { reply } = callKind(grpc, client, 'unary', { parent: call as never })
        reply.catch(() => left.push(call.listenerCount('cancelled') - before))
        return 'hang'
      },
    })
    const deadline = Date.now() + 60_000
    const { reply, cancel } = callKind(grpc, outer.dialWithPolicies(), 'unary', { deadline })
    await expect.poll(() => deep.deadline).toBeGreaterThan(0)
    expect(Math.abs(deep.deadline - deadline)).toBeLessThan(5_000)
    cancel()
    await expect(reply).rejects.toMatchObject({ code: 1 })
    await expect.poll(() => [deep.cancelled, left]).toEqual([1, [0]])
  })

  test.each(kinds)('closing the client of the policies ends calls in progress: %s', async (kind) => {
    await using stage = createStage(grpc, { client: { closeTimeoutMs: 50, timeoutMs: 0 } })
    const { server } = await stage.serve('a', { behave: () => 'hang after the head' })
    const client = stage.dialWithPolicies()
    const { reply } = callKind(grpc, client, kind, { staysOpen: true })
    await expect.poll(() => server.calls).toBe(1)
    await stage.client.close()
    await expect(reply).rejects.toMatchObject({ code: 14, details: expect.stringContaining('closed') })
    await expect(callKind(grpc, client, kind).reply).rejects.toMatchObject({ code: 14 })
    expect(active(stage)).toBe(0)
  })

  test('closing the services ends waiting calls, and calls in progress continue', async () => {
    await using stage = createStage(grpc)
    const client = stage.dialWithPolicies()
    const waiting = callKind(grpc, client, 'unary', { waitForReady: true })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await stage.services.close()
    await expect(waiting.reply).rejects.toMatchObject({ code: 14, details: 'The services of sd: were closed' })
    await expect(callKind(grpc, client, 'unary').reply).rejects.toMatchObject({ code: 14 })

    await using other = createStage(grpc, { scheme: 'other' })
    await other.serve('b')
    const chat = other.dialWithPolicies().chat()
    const texts: string[] = []
    chat.on('data', ({ text }) => texts.push(text))
    chat.write({ text: '1' })
    await expect.poll(() => texts).toEqual(['b: 1'])
    await other.services.close()
    chat.write({ text: '2' })
    await expect.poll(() => texts).toEqual(['b: 1', 'b: 2'])
    chat.end()
    await once(chat, 'end')
  })

  test('closing a grpc-js client ends its waiting calls, does not affect instances, and rejects further calls', async () => {
    await using stage = createStage(grpc)
    await stage.register({ id: 'silent', port: await listenSilently() })
    // With TLS, because grpc-js 1.11 sends a call before a server without it has said anything.
    const client = stage.dialWithPolicies({}, grpc.credentials.createSsl())
    const { reply } = callKind(grpc, client, 'unary')
    await expect.poll(() => active(stage)).toBe(1)
    client.close()
    await expect(reply).rejects.toMatchObject({ code: 14 })
    expect(() => callKind(grpc, client, 'unary').cancel()).not.toThrow()
    const { endpoints } = stage.client.explain('orders').cluster
    expect(endpoints.map(({ dropped, endpoint }) => [dropped, endpoint.failures])).toEqual([[undefined, 0]])
  })

  test.each([false, true])(
    'a waiting call is notified of an instance without a timer (with policies: %s)',
    async (hasPolicies) => {
      const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
      await using stage = createStage(grpc, { client: { timeoutMs: 0 } })
      await stage.discovery.cluster('orders').ready()
      const client = hasPolicies ? stage.dialWithPolicies() : stage.dial()
      const first = callKind(grpc, client, 'unary', { waitForReady: true })
      await new Promise((resolve) => setTimeout(resolve, 200))
      const before = timers()
      await new Promise((resolve) => setTimeout(resolve, 200))
      // The timer of this wait is not running while timers are counted.
      expect(timers()).toBeLessThanOrEqual(before)
      await stage.serve('a')
      expect(await first.reply).toBe('a')
    },
  )

  test('client.waitForReady resolves when an instance is registered, and a call without a message is a call', async () => {
    await using stage = createStage(grpc)
    await stage.discovery.cluster('orders').ready()
    const client = stage.dialWithPolicies()
    const ready = new Promise<Error | undefined>((resolve) => client.waitForReady(Date.now() + 20_000, resolve))
    await stage.serve('a')
    expect(await ready).toBeUndefined()
    const channel = client.getChannel()
    expect([channel.getTarget(), channel.getConnectivityState(false)]).toEqual(['sd:///orders', 2])
    expect(channel.getChannelzRef()).toBeDefined()
    const call = channel.createCall('/shop.Orders/Unary', Number.POSITIVE_INFINITY, undefined, null, undefined)
    const code = await new Promise((resolve) => {
      call.start(new grpc.Metadata(), {
        onReceiveMetadata: () => undefined,
        onReceiveMessage: () => undefined,
        onReceiveStatus: (status) => resolve(status.code),
      })
      call.startRead()
      call.halfClose()
    })
    expect([code, call.getCallNumber(), call.getPeer()]).toEqual([12, 1, expect.any(String)])
  })

  test('a killed server fails its calls, and repeatable ones go to another instance', async () => {
    await using stage = createStage(grpc, { client: { services: { orders: { idempotent: true } } } })
    const victim = await startServerProcess()
    await stage.register({ id: 'victim', port: victim.port })
    const client = stage.dialWithPolicies()
    const metadata = new grpc.Metadata()
    const unary = new Promise((resolve, reject) => {
      client.unary({ text: '' }, metadata, {}, (error, reply) => (error ? reject(error) : resolve(reply?.text)))
    })
    await expect.poll(() => active(stage)).toBe(1)
    const stream = callKind(grpc, client, 'client stream', { staysOpen: true })
    await expect.poll(() => active(stage)).toBe(2)
    await stage.serve('a')
    await expect.poll(() => stage.discovery.cluster('orders').view.endpoints.length).toBe(2)
    await victim.kill()
    await expect(stream.reply).rejects.toMatchObject({ code: 14 })
    expect(await unary).toBe('a')
  })

  test('many messages pass in both directions, in order and with back-pressure', async () => {
    await using stage = createStage(grpc)
    await stage.serve('a')
    const chat = stage.dialWithPolicies().chat()
    const padding = 'x'.repeat(20_000)
    const texts: string[] = []
    const sending = (async () => {
      for (let count = 0; count < 500; count++) if (!chat.write({ text: `${count} ${padding}` })) await once(chat, 'drain')
      chat.end()
    })()
    for await (const { text } of chat) {
      texts.push(text.slice(3, 8).split(' ')[0] as string)
      if (texts.length % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await sending
    expect(texts).toEqual(Array.from({ length: 500 }, (_, count) => String(count)))
  })

  test('empty messages, binary metadata and trailers are unchanged', async () => {
    await using stage = createStage(grpc)
    const received: unknown[] = []
    await stage.serve('a', {
      behave: (call) => void received.push(call.metadata.get('x-raw-bin'), call.metadata.get('x-twice')),
      unary: (_call, reply) => reply(''),
    })
    const metadata = new grpc.Metadata()
    metadata.set('x-raw-bin', Buffer.from([0, 255, 7]))
    metadata.add('x-twice', '1')
    metadata.add('x-twice', '2')
    const client = stage.dialWithPolicies()
    const reply = await new Promise((resolve, reject) => {
      client.unary({ text: '' }, metadata, {}, (error, text) => (error ? reject(error) : resolve(text)))
    })
    expect(reply).toEqual({ text: '' })
    expect(received).toEqual([[Buffer.from([0, 255, 7])], ['1, 2']])
  })

  test('a stream that the server resets at its deadline ends as DEADLINE_EXCEEDED', async () => {
    await using stage = createStage(grpc)
    const port = await serveStreams((stream, headers) => {
      stream.respond(head)
      stream.write(message('x'))
      const timeoutMs = Number(String(headers['grpc-timeout']).slice(0, -1))
      addAbortSignal(AbortSignal.timeout(timeoutMs), stream as never)
    })
    await stage.register({ id: 'go', port })
    for (let calls = 0; calls < 5; calls++) {
      const { reply } = callKind(grpc, stage.dialWithPolicies(), 'server stream', { deadline: Date.now() + 250 })
      await expect(reply).rejects.toMatchObject({ code: 4 })
    }
  })

  test.each<[string, (stream: ServerHttp2Stream) => void, number]>([
    ['resets the stream', (stream) => stream.close(2), 13],
    ['cancels the stream', (stream) => stream.close(8), 14],
    ['refuses the stream', (stream) => stream.close(7), 14],
    ['closes the connection', (stream) => stream.session?.destroy(), 14],
    ['responds like a web server', (stream) => stream.respond({ ':status': 503 }, { endStream: true }), 14],
    [
      'responds twice',
      (stream) => {
        stream.respond(head, { waitForTrailers: true })
        stream.end(Buffer.concat([message('1'), message('2')]))
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      },
      13,
    ],
    [
      'ends without a status',
      (stream) => {
        stream.respond(head)
        stream.end(message('1'))
      },
      13,
    ],
  ])('a call to a server that %s gets a status', async (_, reply, code) => {
    await using stage = createStage(grpc, { client: { retry: false } })
    await stage.register({ id: 'odd', port: await serveStreams(reply) })
    const failure = await callKind(grpc, stage.dialWithPolicies(), 'unary').reply.catch((error) => error)
    expect([minor, failure.code, active(stage)]).toEqual([minor, code, 0])
  })

  test('a fallback replaces the response', async () => {
    const fallback = { status: 200, body: 'from the fallback' }
    await using stage = createStage(grpc, { client: { fallback: { kind: 'response', response: fallback } as never } })
    await stage.serve('a', { behave: () => ({ code: 14 }) })
    expect(await callKind(grpc, stage.dialWithPolicies(), 'unary').reply).toBe('from the fallback')
  })

  test('failing call credentials count against the caller, not the instance', async () => {
    await using stage = createStage(grpc)
    const { server } = await stage.serve('a')
    const credentials = grpc.credentials.createFromMetadataGenerator((_options, done) => done(new Error('no token')))
    const failure = await callKind(grpc, stage.dialWithPolicies(), 'unary', { credentials }).reply.catch((error) => error)
    expect([failure.details.includes('no token'), server.calls]).toEqual([true, 0])
    expect(stage.discovery.cluster('orders').view.endpoints.map(({ failures }) => failures)).toEqual([0])
  })
})

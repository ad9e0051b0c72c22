import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import type { SdError } from '@sd/core'
import { type NacosStandIn, startNacosStandIn } from '@sd/test-servers/nacos-stand-in'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createNacosConnection, type NacosConnectionOptions, type NacosGrpc, resolveNacosConnectionOptions } from '../index.ts'

const open: { close(): unknown }[] = []
const { signal } = new AbortController()
const query = { type: 'ServiceQueryRequest', body: { groupName: 'g', serviceName: 'orders' } }
const patience = { timeout: 10_000 }

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function startServer(abilities?: Readonly<Record<string, boolean>>): Promise<NacosStandIn> {
  const server = await startNacosStandIn(abilities)
  open.push(server)
  return server
}

function connect(servers: readonly Pick<NacosStandIn, 'port'>[], options: NacosConnectionOptions = {}): NacosGrpc {
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
  const settings = resolveNacosConnectionOptions({ servers: addresses, operationTimeoutMs: 4_000, ...options }, 'nacos')
  const connection = createNacosConnection(settings)
  open.push(connection)
  return connection.grpc('naming')
}

/** A port that accepts connections and never responds. */
async function startSilent(): Promise<{ readonly port: number }> {
  const server: Server = createServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => server.close() })
  return { port: (server.address() as { readonly port: number }).port - 1_000 }
}

describe('a gRPC connection', () => {
  test('is set up once, with labels, for all requests', async () => {
    const server = await startServer()
    const grpc = connect([server], { namespace: 'team' })
    const responses = await Promise.all([1, 2, 3].map(() => grpc.request(query, signal)))
    expect(responses[0]).toMatchObject({ serviceInfo: { name: 'orders', hosts: [] } })
    const [setup, ...requests] = server.received
    expect(setup).toMatchObject({
      type: 'ConnectionSetupRequest',
      body: { tenant: 'team', labels: { source: 'sdk', module: 'naming' } },
      clientIp: '127.0.0.1',
    })
    expect(requests.map(({ connectionId }) => connectionId)).toEqual(Array(3).fill(server.connections()[0]))
    const session = await grpc.session(signal)
    expect([...session.abilities].sort()).toEqual(['fuzzyWatch', 'supportPersistentInstanceByGrpc'])
  })

  test('is not shared by two of a process, because servers tell clients apart by it', async () => {
    const server = await startServer()
    const sessions = await Promise.all([connect([server]).session(signal), connect([server]).session(signal)])
    expect(new Set(sessions.map(({ connectionId }) => connectionId)).size).toBe(2)
    expect(server.connections()).toHaveLength(2)
  })

  test('that the server no longer knows is replaced, and its users are informed', async () => {
    const server = await startServer()
    const grpc = connect([server])
    const lost: SdError[] = []
    grpc.onLost((error) => lost.push(error))
    const before = await grpc.session(signal)
    server.forget()
    await assert.rejects(grpc.request(query, signal), { code: 'SD_UNAVAILABLE', retryable: true })
    expect(lost.map(({ message }) => message)).toEqual(['nacos: the server no longer knows the connection'])
    expect(before.signal.aborted).toBe(true)
    await grpc.request(query, signal)
    expect((await grpc.session(signal)).connectionId).not.toBe(before.connectionId)
  })

  test('waits for a server that is starting', async () => {
    const server = await startServer()
    const grpc = connect([server])
    server.setStarting(true)
    await assert.rejects(grpc.request(query, signal), { code: 'SD_UNAVAILABLE', message: /starting/ })
    server.setStarting(false)
    await vi.waitFor(() => grpc.request(query, signal), patience)
  })

  test('goes to the server that the present one names, and is still open until its users have moved', async () => {
    const servers = [await startServer(), await startServer()]
    const grpc = connect(servers)
    const first = await grpc.session(signal)
    const isFirst = (server: NacosStandIn): boolean => server.connections().includes(first.connectionId)
    const [from, to] = (isFirst(servers[0] as NacosStandIn) ? servers : [...servers].reverse()) as [NacosStandIn, NacosStandIn]
    const lost = new Promise((resolve) => grpc.onLost(resolve))
    from.push('ConnectResetRequest', { serverIp: '127.0.0.1', serverPort: String(to.port) })
    await lost
    expect((await grpc.session(signal)).server.port).toBe(to.grpcPort)
    expect(first.signal.aborted).toBe(false)
    await vi.waitFor(() => expect(first.signal.aborted).toBe(true), patience)
  })

  test('goes to another server if one does not respond or refuses connections', async () => {
    const [server, silent] = [await startServer(), await startSilent()]
    for (let round = 0; round < 4; round++) {
      const grpc = connect([silent, { port: 1 }, server], { operationTimeoutMs: 4_500 })
      expect((await grpc.session(signal)).server.port).toBe(server.grpcPort)
    }
  })

  test('that cannot be made is an error in time, shared by all that wait', async () => {
    const grpc = connect([await startSilent()], { operationTimeoutMs: 300 })
    const errors = await Promise.all([1, 2].map(() => grpc.request(query, signal).catch((error: unknown) => error)))
    expect(errors[0]).toBe(errors[1])
    expect(errors[0]).toMatchObject({ code: 'SD_TIMEOUT', retryable: true })
    await assert.rejects(connect([{ port: 1 }]).request(query, signal), { code: 'SD_UNAVAILABLE', message: /gRPC.*ECONNREFUSED/ })
  })

  test('reports what a server refuses', async () => {
    const grpc = connect([await startServer()])
    await assert.rejects(grpc.request({ type: 'LockRequest', body: {} }, signal), {
      code: 'SD_UNSUPPORTED',
      message: /Not Found/,
    })
    await assert.rejects(grpc.request(query, AbortSignal.abort()), { code: 'SD_ABORTED' })
  })

  test('delivers messages of the server to the listeners of their type, and confirms each', async () => {
    const server = await startServer()
    const grpc = connect([server])
    const seen: unknown[] = []
    const stop = grpc.onPush('NotifySubscriberRequest', ({ serviceName }) => seen.push(serviceName))
    await grpc.session(signal)
    server.push('NotifySubscriberRequest', { serviceName: 'a' })
    server.push('ClientDetectionRequest', {})
    await vi.waitFor(() => expect(server.received.at(-1)?.type).toBe('ClientDetectionResponse'), patience)
    stop()
    server.push('NotifySubscriberRequest', { serviceName: 'b' })
    await vi.waitFor(() => expect(server.received.at(-1)?.type).toBe('NotifySubscriberResponse'), patience)
    expect(seen).toEqual(['a'])
    expect(server.received.filter(({ type }) => type.endsWith('Response')).map(({ body }) => body)).toEqual(
      ['2', '3', '4'].map((requestId) => ({ resultCode: 200, errorCode: 0, requestId })),
    )
  })

  test('is refused once it is closed', async () => {
    const server = await startServer()
    const grpc = connect([server])
    const lost = vi.fn()
    grpc.onLost(lost)
    const session = await grpc.session(signal)
    grpc.close()
    grpc.close()
    expect(session.signal.reason).toMatchObject({ code: 'SD_CLOSED' })
    await assert.rejects(grpc.request(query, signal), { code: 'SD_CLOSED' })
    await vi.waitFor(() => expect(server.connections()).toEqual([]), patience)
    expect(lost).not.toHaveBeenCalled()
  })
})

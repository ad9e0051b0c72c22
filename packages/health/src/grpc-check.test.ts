import { createServer as createWebServer } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { createCertificates } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { HealthImplementation, type ServingStatusMap } from 'grpc-health-check'
import { expect, onTestFinished, test } from 'vitest'
import { createGrpcCheck, type GrpcCheckOptions, type HealthTarget } from './index.ts'
import { listen, localTarget, neverAborted } from './testing/targets.ts'

async function serve(statuses?: ServingStatusMap, credentials = ServerCredentials.createInsecure()) {
  const server = new Server()
  const health = new HealthImplementation(statuses)
  if (statuses) health.addToServer(server)
  const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', credentials)
  onTestFinished(() => server.forceShutdown())
  return { health, target: localTarget(port, 'grpc') }
}

/** A relay that reports open connections. */
async function relay(target: HealthTarget) {
  const sockets: Socket[] = []
  const server = createTcpServer((socket) => {
    sockets.push(socket)
    const onward = connect(target.port, target.address)
    socket.on('error', () => onward.destroy()).pipe(onward)
    onward.on('error', () => socket.destroy()).pipe(socket)
  })
  return { target: await listen(server, target.protocol), sockets }
}

function run(target: HealthTarget, options: GrpcCheckOptions = {}, signal: AbortSignal = neverAborted): Promise<unknown> {
  return createGrpcCheck(options).run(target, { signal })
}

test('SERVING is healthy, for the server and for one service, in every run', async () => {
  const { health, target } = await serve({ '': 'SERVING', 'shop.v1.Orders': 'NOT_SERVING' })
  await run(target)
  await run({ ...target, address: 'localhost', port: 1 }, { port: target.port })
  const orders = createGrpcCheck({ service: 'shop.v1.Orders' })
  const notServing = { code: 'SD_UNAVAILABLE', message: 'grpc.health.v1 reported NOT_SERVING, want SERVING' }
  await expect(orders.run(target, { signal: neverAborted })).rejects.toMatchObject(notServing)
  health.setStatus('shop.v1.Orders', 'SERVING')
  await orders.run(target, { signal: neverAborted })
  health.setStatus('', 'UNKNOWN')
  await expect(run(target)).rejects.toThrow('grpc.health.v1 reported UNKNOWN')
})

test('an unknown service, and a server without health service, fail', async () => {
  const { target } = await serve({ '': 'SERVING' })
  await expect(run(target, { service: 'shop.v1.Carts' })).rejects.toMatchObject({
    code: 'SD_NOT_FOUND',
    message: "grpc.health.v1 does not know the service 'shop.v1.Carts'",
  })
  const { target: without } = await serve()
  await expect(run(without)).rejects.toMatchObject({
    code: 'SD_UNSUPPORTED',
    message: 'The server has no grpc.health.v1 health service',
  })
})

test('a server that is unreachable or not gRPC fails', async () => {
  await expect(run(localTarget(1))).rejects.toMatchObject({
    code: 'SD_UNAVAILABLE',
    message: expect.stringContaining('ECONNREFUSED'),
  })
  const web = await listen(createWebServer((_, response) => void response.end('hello')))
  await expect(run(web)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  const closing = await listen(createTcpServer((socket) => void socket.on('error', () => undefined).end()))
  await expect(run(closing)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
})

test.each<[string, (stream: ServerHttp2Stream) => unknown, string]>([
  [
    'speaks no gRPC',
    (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
    'The response is not gRPC: HTTP status 404',
  ],
  [
    'fails',
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '14', 'grpc-message': 'shutting down' }, { endStream: true }),
    'grpc.health.v1: status 14, shutting down',
  ],
  [
    'says nothing',
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true }),
    'The response is not a valid grpc.health.v1.HealthCheckResponse',
  ],
  [
    'says too much',
    (stream) => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.alloc(5_000))
    },
    'gRPC: the response exceeds 4096 bytes',
  ],
  [
    'ends the connection',
    (stream) => {
      stream.session?.destroy()
    },
    'gRPC: the connection ended before the response',
  ],
])('a server over HTTP/2 that %s', async (_, answer, message) => {
  const server = createHttp2Server().on('stream', (stream: ServerHttp2Stream) => void answer(stream.on('error', () => undefined)))
  await expect(run(await listen(server))).rejects.toMatchObject({ message })
})

test('TLS is used by protocol or by option', async () => {
  const { ca, server, client } = await createCertificates(['orders.example'])
  const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) }
  const { target } = await serve({ '': 'SERVING' }, ServerCredentials.createSsl(Buffer.from(ca), [pair], true))
  await run({ ...target, protocol: 'grpcs' }, { tls: { ca, ...client, servername: 'localhost' } })
  await run(target, { tls: { ...client, rejectUnauthorized: false } })
  await expect(run(target, { tls: { ca, ...client, servername: 'carts.example' } })).rejects.toMatchObject({
    code: 'SD_UNAVAILABLE',
  })
  await expect(run(target)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
})

test('each run opens and closes its own connection', async () => {
  const { target: server } = await serve({ '': 'SERVING' })
  const { target, sockets } = await relay(server)
  const check = createGrpcCheck()
  for (let round = 0; round < 5; round++) await check.run(target, { signal: neverAborted })
  await eventually(() => expect(sockets.map(({ closed }) => closed)).toEqual([true, true, true, true, true]), 5_000)
})

test('the signal ends a check of a hung server, and its connection', async () => {
  const sockets: Socket[] = []
  const target = await listen(createTcpServer((socket) => void sockets.push(socket.on('error', () => undefined).resume())))
  await expect(run(target, {}, AbortSignal.timeout(300))).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  await eventually(() => expect(sockets.every(({ closed }) => closed)).toBe(true), 5_000)
})

test.each([
  ['service', { service: 1 as never }],
  ['port', { port: 0 }],
  ['tls.rejectUnauthorized', { tls: { rejectUnauthorized: 'no' as never } }],
  ['path', { path: '/' } as never],
])('a bad %s is refused', (field, options) => {
  expect(() => createGrpcCheck(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

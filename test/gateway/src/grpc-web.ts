import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createGrpc } from '@sd/gateway-grpc'
import { createStaticRegistry } from '@sd/registry-static'
import xhr2 from 'xhr2'
import type { Suite } from './suite.ts'

const messages = 200
const large = 'x'.repeat(1_048_576)

/** The client `grpc-web` of npm, with the XMLHttpRequest of `xhr2`: calls and streams, as text and as binary, and errors. */
export const grpcWeb: Suite = {
  name: 'grpc-web',
  needs: [],
  async run() {
    const service = await startService()
    const source = createStaticRegistry({
      instances: [{ service: 'echo', address: '127.0.0.1', port: service.port, protocol: 'grpc' }],
    })
    const discovery = createDiscovery({ source })
    const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
    const gateway = await createGateway({
      client,
      discovery,
      protocols: [createGrpc({ discovery })],
      table: {
        listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
        routes: [{ name: 'echo', match: { protocol: 'grpc' }, forward: { service: 'echo' } }],
      },
    })
    try {
      const url = `http://127.0.0.1:${gateway.addresses[0]?.port}`
      return [...(await callAll(url, 'text')), ...(await callAll(url, 'binary'))]
    } finally {
      await gateway.close()
      await client.close()
      await discovery.close()
      service.close()
    }
  },
}

async function callAll(url: string, format: 'text' | 'binary'): Promise<readonly string[]> {
  // It reads the global when it is loaded.
  Object.assign(globalThis, { XMLHttpRequest: xhr2.XMLHttpRequest })
  const { GrpcWebClientBase, MethodDescriptor } = (await import('grpc-web')).default
  const client = new GrpcWebClientBase({ format })
  const describe = (name: string, type: 'unary' | 'server_streaming') =>
    new MethodDescriptor<string, string>(
      `/echo.Echo/${name}`,
      type,
      String as never,
      String as never,
      (text: string) => Buffer.from(text),
      (bytes: Uint8Array) => Buffer.from(bytes).toString(),
    )
  const call = (name: string, text: string): Promise<string> =>
    client.unaryCall(`${url}/echo.Echo/${name}`, text, { 'x-user': 'alice' }, describe(name, 'unary'))
  const problems: string[] = []
  function expect(what: string, got: unknown, wanted: unknown): void {
    if (got !== wanted) problems.push(`${format}, ${what}: got ${String(got).slice(0, 100)}`)
  }
  expect('a call', await call('Unary', 'hello'), 'hello for alice')
  expect('a large message', await call('Unary', large), `${large} for alice`)
  const error = await call('Fail', 'hello').then(
    () => undefined,
    (thrown: { code: number; message: string }) => thrown,
  )
  expect('a status', `${error?.code} ${error?.message}`, '5 no such cart')
  // A stream as binary is only read as a whole by this client, which supports streams as text.
  if (format === 'text') {
    const received: string[] = []
    const stream = client.serverStreaming(`${url}/echo.Echo/List`, 'hello', {}, describe('List', 'server_streaming'))
    await new Promise<void>((resolve) => {
      stream.on('data', (text) => received.push(text))
      stream.on('error', ({ message }) => problems.push(`${format}, a stream: ${message}`))
      stream.on('end', resolve)
    })
    expect('a stream', received.join(), Array.from({ length: messages }, (_, index) => `hello ${index}`).join())
  }
  return problems
}

/** A service of gRPC whose messages are texts. */
async function startService(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => {})
    const request = Buffer.concat(await stream.toArray())
      .subarray(5)
      .toString()
    const name = String(headers[':path']).split('/').at(-1)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => {
      stream.sendTrailers(name === 'Fail' ? { 'grpc-status': '5', 'grpc-message': 'no such cart' } : { 'grpc-status': '0' })
    })
    if (name === 'Unary') stream.write(frameOf(`${request} for ${headers['x-user']}`))
    if (name === 'List') for (let index = 0; index < messages; index++) stream.write(frameOf(`${request} ${index}`))
    stream.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}

function frameOf(text: string): Buffer {
  const message = Buffer.from(text)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

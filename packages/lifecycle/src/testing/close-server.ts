import { createServer, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createMemoryRegistry } from '@sd/registry-memory'
import { WebSocketServer } from 'ws'
import { createLifecycle, type LifecycleOptions } from '../index.ts'
import { startGrpcServer } from './grpc-echo.ts'

// A server for `close-table.ts`, ended by SIGTERM. Under `/stream` an event stream never ends by itself; every other request
// gets a response at once.

const streams = new Set<{ end(text: string): unknown }>()

function answer(
  request: { url?: string | undefined; method?: string | undefined },
  response: Pick<ServerResponse, 'end' | 'write' | 'writeHead'>,
): void {
  if (request.url === '/stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    streams.add(response)
  } else if (request.method === 'GET') {
    response.end('ok')
  }
}

const kinds: Readonly<Record<string, () => Promise<LifecycleOptions['server'] & { readonly port?: number | undefined }>>> = {
  async http() {
    const server = createServer(answer)
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
    return server.listen(0, '127.0.0.1')
  },
  http2: async () => createHttp2Server((request, response) => answer(request, response as never)).listen(0, '127.0.0.1'),
  async grpc() {
    const { server, port } = await startGrpcServer()
    return Object.assign(server as object, { port }) as never
  },
  async 'Bun.serve'() {
    const { Bun } = globalThis as unknown as { Bun: { serve(options: object): never } }
    return Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request: Request, server: { upgrade(request: Request): boolean }) {
        if (server.upgrade(request)) return undefined
        if (!request.url.endsWith('/stream')) return new Response('ok')
        return new Response(
          new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')) }),
        )
      },
      websocket: { message: () => undefined },
    })
  },
}

const server = (await kinds[process.env['KIND'] ?? 'http']?.()) as Awaited<ReturnType<(typeof kinds)[string]>>
const endStreams = (): void => {
  for (const stream of streams) stream.end('data: bye\n\n')
}
const lifecycle = createLifecycle({
  registrar: createMemoryRegistry(),
  server,
  instance: { service: 'orders', address: '127.0.0.1', ...(server.port !== undefined && { port: server.port }) },
  propagationDelayMs: 0,
  drainTimeoutMs: 2_000,
  beforeDrain: process.env['HOOK'] === '1' ? [endStreams] : [],
  onError: ({ message }) => process.stdout.write(`error ${message}\n`),
})
await lifecycle.start()
const port = 'address' in server && typeof server.address === 'function' ? (server.address() as AddressInfo).port : server.port
process.stdout.write(`port ${port}\n`)

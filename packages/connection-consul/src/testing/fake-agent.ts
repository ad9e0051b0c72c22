import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A response of a fake agent; `undefined` for none. */
export interface FakeResponse {
  readonly status?: number
  readonly index?: string | number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Ends the connection in the middle of the body. */
  readonly cut?: boolean
}

/** An agent with responses that a test defines. */
export interface FakeAgent {
  readonly endpoint: string
  /** Paths with queries, in order of arrival. */
  readonly requests: string[]
  /** Tokens, in order of arrival. */
  readonly tokens: (string | undefined)[]
  /** Open connections. */
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

/** Starts a fake agent on loopback. */
export async function startFakeAgent(
  answer: (path: string, request: IncomingMessage) => FakeResponse | undefined,
): Promise<FakeAgent> {
  const requests: string[] = []
  const tokens: (string | undefined)[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/v1', '')
    requests.push(path)
    tokens.push(request.headers['x-consul-token'] as string | undefined)
    const given = answer(path, request)
    if (given) write(response, given)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    tokens,
    sockets,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function write(response: ServerResponse, { status = 200, index, body = '', headers = {}, cut = false }: FakeResponse): void {
  const isText = typeof body === 'string' && status !== 200
  const text = isText ? body : JSON.stringify(body)
  response.statusCode = status
  for (const [key, value] of Object.entries(headers)) response.setHeader(key, value)
  response.setHeader('content-type', isText ? 'text/plain' : 'application/json')
  response.setHeader('content-length', Buffer.byteLength(text) + (cut ? 100 : 0))
  if (index !== undefined) response.setHeader('x-consul-index', index)
  if (!cut) {
    response.end(text)
    return
  }
  response.write(text)
  setImmediate(() => response.destroy())
}

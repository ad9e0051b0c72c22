import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

/** Header fields that an adapter must send alike. */
const compared = ['accept', 'accept-encoding', 'authorization', 'content-length', 'content-type', 'cookie', 'user-agent', 'x-a']

/** A server for both adapters. */
export interface EchoServer {
  readonly port: number
  /** Paths of the requests, in order. */
  readonly requests: string[]
  close(): void
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  // The boundary of a form is random.
  return Buffer.concat(chunks)
    .toString('latin1')
    .replaceAll(/axios-[\w.]+-boundary-[\w-]+|-{26,30}[\da-f]{24}/g, 'boundary')
}

/** What was sent, as JSON. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(request)
  const fields = compared.map((name) => [name, request.headers[name]?.toString().replace(/boundary=.*/, 'boundary')])
  const text = JSON.stringify({
    method: request.method,
    url: request.url,
    headers: Object.fromEntries(fields.filter(([, value]) => value !== undefined)),
    body: body.length > 1_000 ? body.length : body,
  })
  response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'], 'x-b': ['1', '2'] }).end(text)
}

const encoders: Readonly<Record<string, (text: string) => Buffer>> = {
  gzip: gzipSync,
  br: brotliCompressSync,
  deflate: deflateSync,
}

type Route = (request: IncomingMessage, response: ServerResponse, value: string) => unknown

const routes: Readonly<Record<string, Route>> = {
  echo,
  /** `/status/404` */
  status: (_, response, value) => response.writeHead(Number(value), { 'content-type': 'application/json' }).end('{"told":true}'),
  /** `/to/302?<location>` */
  to: (request, response, value) =>
    response.writeHead(Number(value), { location: decodeURIComponent(request.url?.split('?')[1] ?? '/echo') }).end('elsewhere'),
  loop: (_, response) => response.writeHead(302, { location: '/loop' }).end(),
  /** `/encoded/gzip` */
  encoded: (_, response, value) =>
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': value })
      .end(encoders[value]?.('{"told":"compressed"}')),
  text: (_, response) => response.writeHead(200, { 'content-type': 'text/plain' }).end('\uFEFFtold'),
  latin: (_, response) => response.writeHead(200).end(Buffer.from('é', 'latin1')),
  /** `/bytes/1000` */
  bytes: (_, response, value) => response.writeHead(200).end(Buffer.alloc(Number(value), 7)),
  malformed: (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"told":'),
  /** `/after/1000`: the head comes after this time. */
  after: (_, response, value) => void delay(Number(value), undefined, { ref: false }).then(() => response.end('late')),
  /** `/pause/1000`: the rest of the body comes after this time. */
  pause(_, response, value) {
    response.write('first ')
    void delay(Number(value), undefined, { ref: false }).then(() => response.end('last'))
  },
  /** Ends the connection in the middle of the body. */
  cut(_, response) {
    response.writeHead(200, { 'content-length': '100' }).write('first ')
    setTimeout(() => response.destroy(), 50)
  },
  /** Ends the connection without a response. */
  reset: (request) => request.socket.destroy(),
}

/** Starts the server. */
export async function startEchoServer(): Promise<EchoServer> {
  const requests: string[] = []
  const server: Server = createServer((request, response) => {
    const [, route = '', value = ''] = (request.url ?? '').split(/[/?]/)
    requests.push(`${request.method} ${request.url}`)
    const run = routes[route]
    if (run) void Promise.resolve(run(request, response, value)).catch(() => response.destroy())
    else response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { PassThrough, pipeline } from 'node:stream'
import type { FramingAddress } from '@sd/testing'
import { Pool } from 'undici'
import { listening, type Running } from './peer.ts'

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
])

/** What people write by hand: node:http in front, undici behind it, and the usual list of fields that are not forwarded. */
export async function startPlainHttp1(upstream: FramingAddress): Promise<Running> {
  const pool = new Pool(`http://${upstream.host}:${upstream.port}`)
  const server = createServer((request, response) => {
    forward(pool, request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
  })
  return listening(server, async () => {
    await pool.destroy()
  })
}

async function forward(pool: Pool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await pool.request({
    path: request.url ?? '/',
    method: request.method as 'GET',
    headers: keep(request.rawHeaders),
    body: request.headers['content-length'] || request.headers['transfer-encoding'] ? request : null,
  })
  response.writeHead(answer.statusCode, keepResponse(answer.headers))
  pipeline(answer.body, response, () => undefined)
}

/** The same with node:http2 in front. */
export async function startPlainHttp2(upstream: FramingAddress): Promise<Running> {
  const pool = new Pool(`http://${upstream.host}:${upstream.port}`)
  const server = createHttp2Server()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => undefined)
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers, _flags, raw: readonly string[]) => {
    stream.on('error', () => undefined)
    forwardStream(pool, stream, headers[':method'] ?? 'GET', headers[':path'] ?? '/', raw).catch(() => {
      if (stream.destroyed) return
      if (stream.headersSent) stream.close()
      else stream.respond({ ':status': 502 }, { endStream: true })
    })
  })
  return listening(server, async () => {
    for (const session of sessions) session.destroy()
    await pool.destroy()
  })
}

async function forwardStream(
  pool: Pool,
  stream: ServerHttp2Stream,
  method: string,
  path: string,
  raw: readonly string[],
): Promise<void> {
  const headers = keep(raw.map((text, index) => (index % 2 === 0 && text === ':authority' ? 'host' : text)))
  const answer = await pool.request({
    path,
    method: method as 'GET',
    headers,
    body: stream.endAfterHeaders ? null : pipeline(stream, new PassThrough(), () => undefined),
  })
  stream.respond({ ':status': answer.statusCode, ...keepResponse(answer.headers) })
  pipeline(answer.body, stream, () => undefined)
}

function keep(raw: readonly string[]): string[] {
  return raw.filter((_, index) => {
    const name = (raw[index - (index % 2)] ?? '').toLowerCase()
    return !hopByHop.has(name) && !name.startsWith(':')
  })
}

function keepResponse(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | string[] | undefined> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.has(name)))
}

import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A request and the response of an official Nacos. */
export interface Exchange {
  readonly request: RecordedRequest
  readonly status: number
  readonly body: string
}

/** The part of a request that determines its response. */
export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly params: Readonly<Record<string, string>>
}

/** A local HTTP server that replaces a Nacos server. */
export interface StandIn {
  readonly endpoint: string
  /** Method and URL of every request so far, as sent. */
  readonly urls: readonly string[]
  close(): Promise<void>
}

/** The recordings are older than `kind` in the metadata, which the server ignores. */
function keyOf({ params, ...request }: RecordedRequest): string {
  const { metadata, ...others } = params
  const { kind: _, ...kept } = JSON.parse(metadata ?? '{}') as Readonly<Record<string, unknown>>
  return JSON.stringify([request, others, kept])
}

/** Responds like a recorded Nacos: equal requests get their recorded responses in order, then the last one again. */
export function replay(exchanges: readonly Exchange[]): Promise<StandIn> {
  const left = new Map<string, Exchange[]>()
  for (const exchange of exchanges) {
    const key = keyOf(exchange.request)
    left.set(key, [...(left.get(key) ?? []), exchange])
  }
  return listen(async (request) => {
    const answers = left.get(keyOf(request))
    const answer = answers && answers.length > 1 ? answers.shift() : answers?.[0]
    return answer ?? { status: 500, body: `not recorded: ${JSON.stringify(request)}` }
  })
}

/** Forwards requests to a Nacos server and records them in `exchanges`, without tokens and repeated responses. */
export function record(upstream: string, exchanges: Exchange[]): Promise<StandIn> {
  return listen(async (request, { method = 'GET', url, headers }, body) => {
    const { authorization, 'content-type': type } = headers
    const response = await fetch(`http://${upstream}${url}`, {
      method,
      headers: { ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
      ...(body !== '' && { body }),
    })
    const answer = { status: response.status, body: await response.text() }
    const kept = { request, status: answer.status, body: answer.body.replace(/("accessToken":")[^"]*/, '$1recorded') }
    const last = exchanges.findLast((exchange) => JSON.stringify(exchange.request) === JSON.stringify(request))
    if (last?.body !== kept.body || last.status !== kept.status) exchanges.push(kept)
    return answer
  })
}

type Answer = { readonly status: number; readonly body: string }

async function listen(
  answer: (request: RecordedRequest, raw: IncomingMessage, body: string) => Promise<Answer>,
): Promise<StandIn> {
  const urls: string[] = []
  const server: Server = createServer(async (raw, response) => {
    const { pathname, searchParams } = new URL(raw.url ?? '/', 'http://nacos')
    urls.push(`${raw.method} ${raw.url}`)
    const body = await text(raw)
    const all = [...searchParams, ...new URLSearchParams(body)].sort(([a], [b]) => (a < b ? -1 : 1))
    // The SDK sends the address of its machine.
    const params = Object.fromEntries(all.filter(([key]) => key !== 'clientIP'))
    const { status, body: answered } = await answer({ method: raw.method ?? 'GET', path: pathname, params }, raw, body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(answered)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    urls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

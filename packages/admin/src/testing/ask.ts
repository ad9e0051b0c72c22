import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** A response with its body. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON. */
  json<T>(): T
}

/** Options of {@link ask}. */
export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly ca?: string
}

/** Asks with `node:http`, which sends any header, `Host` and `Origin` too. Never reuses a connection. */
export function ask(url: string, { method = 'GET', headers = {}, body, ca }: AskOptions = {}): Promise<Answer> {
  const send = url.startsWith('https:') ? httpsRequest : httpRequest
  // Node.js does not frame the body of a DELETE by itself.
  const framed = body === undefined ? headers : { 'content-length': String(Buffer.byteLength(body)), ...headers }
  return new Promise((resolve, reject) => {
    const request = send(url, { method, headers: framed, agent: false, ...(ca !== undefined && { ca }) }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const { statusCode: status = 0, headers: received } = response
        resolve({ status, headers: received, text, json: () => JSON.parse(text) as never })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Header fields of a change. */
export const CHANGE_HEADERS: Readonly<Record<string, string>> = { 'content-type': 'application/json', 'x-sd-console': '1' }

/** Asks for a change. */
export function change(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return ask(url, { method: 'POST', headers: { ...CHANGE_HEADERS, ...headers }, body: JSON.stringify(body) })
}

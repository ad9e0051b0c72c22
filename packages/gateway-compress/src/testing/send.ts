import { type IncomingHttpHeaders, request } from 'node:http'

/** A response as it came, without decoding. */
export interface RawResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A request. */
export interface RawRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Called with each part of the response. */
  readonly onData?: (chunk: Buffer) => void
}

/** Sends a request as it is: `fetch` of Node.js decodes responses. */
export function send(url: string, { method = 'GET', headers = {}, body, onData }: RawRequest = {}): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        onData?.(chunk)
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    sent.on('error', reject).end(body)
  })
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { withTimeout } from '@sd/core'
import { prefersOpenMetrics, writeMetrics } from './exposition.ts'
import type { MetricRegister } from './metric-set.ts'

/** Responds to a scrape. Fits `createServer` of node:http as well as Express. Never throws. */
export type MetricsHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Responds to a scrape of a server of fetch style, such as Hono, `Bun.serve` and `Deno.serve`. Never rejects. */
export type MetricsResponder = (request: Request) => Promise<Response>

/** The response to a scrape. */
interface ScrapeResult {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Prometheus gives up after 10 s by default. */
const scrapeLimitMs = 10_000

/** Builds both forms of the handler. @param onError receives the reason of a failed scrape; the client gets no details */
export function createMetricsHandler(
  register: MetricRegister,
  onError: (error: unknown) => void,
): { readonly handler: MetricsHandler; readonly respond: MetricsResponder } {
  async function scrape(method: string | undefined, accept: string | undefined): Promise<ScrapeResult> {
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' }, body: '' }
    try {
      const { contentType, text } = await withTimeout({ timeoutMs: scrapeLimitMs, what: 'reading the metrics' }, () =>
        writeMetrics(register, prefersOpenMetrics(accept)),
      )
      const length = String(Buffer.byteLength(text))
      const headers = { 'content-type': contentType, 'content-length': length, vary: 'accept' }
      return { status: 200, headers, body: method === 'HEAD' ? '' : text }
    } catch (error) {
      onError(error)
      return { status: 500, headers: { 'content-type': 'text/plain' }, body: 'The metrics cannot be read\n' }
    }
  }
  return {
    handler({ method, headers: { accept } }, response) {
      // A failure here, such as a response whose headers were already sent by other code, must not end the process.
      scrape(method, accept)
        .then(({ status, headers, body }) => response.writeHead(status, headers).end(body))
        .catch((error: unknown) => {
          onError(error)
          response.destroy()
        })
    },
    async respond({ method, headers: given }) {
      const { status, headers, body } = await scrape(method, given.get('accept') ?? undefined)
      return new Response(body, { status, headers })
    },
  }
}

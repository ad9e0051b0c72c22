import type { IncomingMessage, ServerResponse } from 'node:http'
import { withTimeout } from '@sd/core'
import { prefersOpenMetrics, writeMetrics } from './exposition.ts'
import type { MetricRegister } from './metric-set.ts'

/** Responds to a scrape. Fits `createServer` of node:http as well as Express. Never throws. */
export type MetricsHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Prometheus gives up after 10 s by default. */
const scrapeLimitMs = 10_000

/** Builds the handler. @param onError receives the reason of a failed scrape; the client gets no details */
export function createMetricsHandler(register: MetricRegister, onError: (error: unknown) => void): MetricsHandler {
  async function respond({ method, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
      return
    }
    try {
      const { contentType, text } = await withTimeout({ timeoutMs: scrapeLimitMs, what: 'reading the metrics' }, () =>
        writeMetrics(register, prefersOpenMetrics(headers.accept)),
      )
      const body = Buffer.from(text)
      response.writeHead(200, { 'content-type': contentType, 'content-length': body.byteLength, vary: 'accept' })
      response.end(method === 'HEAD' ? undefined : body)
    } catch (error) {
      onError(error)
      response.writeHead(500, { 'content-type': 'text/plain' }).end('The metrics cannot be read\n')
    }
  }
  return (request, response) => {
    // A failure here, such as a response whose headers were already sent by other code, must not end the process.
    respond(request, response).catch((error: unknown) => {
      onError(error)
      response.destroy()
    })
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { withTimeout } from '@sd/core'
import { prefersOpenMetrics, writeMetrics } from './exposition.ts'
import type { MetricRegister } from './metric-set.ts'

/** Answers a scrape. Fits `createServer` of node:http and Express alike; never throws. */
export type MetricsHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Prometheus gives up after 10 s by default. */
const scrapeLimitMs = 10_000

/** Builds the handler. @param onError told why a scrape failed; the client is not */
export function createMetricsHandler(register: MetricRegister, onError: (error: unknown) => void): MetricsHandler {
  async function answer({ method, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
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
      response.writeHead(500, { 'content-type': 'text/plain' }).end('The metrics can not be read\n')
    }
  }
  return (request, response) => {
    // What fails even now, such as a response whose head was sent by something else, must not end the process.
    answer(request, response).catch((error: unknown) => {
      onError(error)
      response.destroy()
    })
  }
}

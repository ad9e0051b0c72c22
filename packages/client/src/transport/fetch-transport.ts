import { FetchExchange } from './fetch-exchange.ts'
import type { Transport } from './transport.ts'

/** Options of {@link createFetchTransport}. */
export interface FetchTransportOptions {
  /** The fetch to use. @default the global one */
  readonly fetch?: typeof fetch
}

/**
 * Sends with `fetch`, for runtimes where undici is a stub, such as Bun. What fetch does is what you get: it decompresses always, keeps
 * its own connections, tells of no informational responses and no trailers, and can't upgrade. What it would refuse or change (a GET with a
 * body, TRACE, a path with `..`, a `serverName`) ends as `SD_UNSUPPORTED`, which is held against no endpoint.
 */
export function createFetchTransport(options: FetchTransportOptions = {}): Transport {
  return {
    name: 'fetch',
    send(endpoint, request, handler) {
      const exchange = new FetchExchange(handler)
      void exchange.run(options.fetch ?? fetch, endpoint, request)
      return exchange
    },
    async close() {
      // fetch keeps its connections to itself.
    },
  }
}

import { FetchExchange } from './fetch-exchange.ts'
import type { Transport } from './transport.ts'

/** Options of {@link createFetchTransport}. */
export interface FetchTransportOptions {
  /** The fetch to use. @default the global one */
  readonly fetch?: typeof fetch
}

/**
 * Sends with `fetch`, for runtimes where undici is a stub, such as Bun. fetch always decompresses, keeps its own
 * connections, reports no informational responses and no trailers, and can't upgrade. A request that fetch would reject
 * or change (a GET with a body, TRACE, a path with `..`, a `serverName`) ends as `SD_UNSUPPORTED`, which does not count
 * against an endpoint.
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
      // fetch manages its own connections.
    },
  }
}

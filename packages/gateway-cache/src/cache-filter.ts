import type {
  CreateBodyTransform,
  FilterFactory,
  GatewayExchange,
  GatewayFilter,
  GatewayReply,
  GatewayResponse,
} from '@sd/gateway'
import {
  type CacheFill,
  type CachePurge,
  type CacheResponse,
  type CacheStats,
  createHttpCache,
  type HttpCache,
} from '@sd/http-cache'
import { type CacheFilterParts, type ResolvedCacheRoute, readRouteOptions } from './cache-options.ts'
import { refresh, validate } from './validation.ts'

/** The filter, and what its owner does with the cache. */
export interface CacheFilter extends FilterFactory {
  /**
   * Removes responses, of all routes or of one zone.
   *
   * @returns how many it has removed
   */
  purge(purge: CachePurge): Promise<number>
  /** Counts since the filter was created. */
  readonly stats: CacheStats
  /** Closes the store. Requests are forwarded from then on. Idempotent. */
  close(): Promise<void>
}

/**
 * Creates the filter `cache`, which stores responses of services, and responds with them. All routes share its memory.
 *
 * @throws SdError `SD_INVALID` that names the part
 */
export function createCacheFilter(parts: CacheFilterParts = {}): CacheFilter {
  const cache = createHttpCache({ name: 'gateway-cache', collapseWaitMs: 1_000, ...parts, type: 'shared' })
  const factory: FilterFactory = (options, { route }) => createFilter(cache, readRouteOptions(options, route))
  return Object.defineProperties(factory as CacheFilter, {
    purge: { value: (purge: CachePurge) => cache.purge(purge) },
    stats: { get: () => cache.stats },
    close: { value: () => cache.close() },
  })
}

function createFilter(cache: HttpCache, { zone, targets }: ResolvedCacheRoute): GatewayFilter {
  const own = targets === undefined ? {} : { targets }
  /** What is stored of the response of an exchange. */
  const fills = new WeakMap<GatewayExchange, CacheFill>()
  /** Requests of the filter itself. */
  const running = new WeakMap<GatewayExchange, { abort(): void }>()
  return {
    async onRequest(exchange) {
      // What the gateway responds itself costs nothing to repeat.
      if (exchange.protocol !== 'http' || exchange.service === undefined) return undefined
      const { method, rawHeaders, identity } = exchange
      const request = { method, url: urlOf(exchange), zone, rawHeaders: rawHeaders.slice(), canRefresh: true, ...own }
      // A filter that has verified a client may have removed its token.
      const decision = await cache.open(identity === undefined ? request : { ...request, hasCredentials: true })
      if (decision.kind === 'respond') {
        if (decision.refresh) refresh(decision.refresh, exchange)
        return toReply(decision.response)
      }
      const { fill } = decision
      if (fill.isValidation)
        return await validate(fill, exchange, { toReply, onStart: (handler) => running.set(exchange, handler) })
      fills.set(exchange, fill)
      return undefined
    },
    onResponse(exchange, response) {
      const fill = fills.get(exchange)
      if (fill) receive(fill, response)
    },
    onEnd(exchange) {
      fills.get(exchange)?.abort()
      running.get(exchange)?.abort()
    },
  }
}

/** Takes the response of a service, or of the gateway in its place. */
function receive(fill: CacheFill, response: GatewayResponse): void {
  const received = fill.receive(response.status, response.rawHeaders)
  // Without a stored response there is nothing else to respond with.
  if (received.kind === 'pass' || received.kind === 'store') response.addHeader('cache-status', received.cacheStatus)
  if (received.kind !== 'store') return
  if (response.header('content-length') === '0' || response.status === 204) fill.end()
  else response.transformBody(storing(fill), { keepsLength: true })
}

/** Passes a body on while it is stored. */
function storing(fill: CacheFill): CreateBodyTransform {
  return (output) => ({
    write(chunk) {
      fill.write(chunk)
      return output.write(chunk)
    },
    end(rawTrailers) {
      fill.end(rawTrailers)
      output.end(rawTrailers)
    },
    destroy: () => fill.abort(),
  })
}

function toReply({ status, rawHeaders, body, rawTrailers }: CacheResponse): GatewayReply {
  return { status, rawHeaders, body, ...(rawTrailers.length > 0 && { trailers: rawTrailers }) }
}

function urlOf({ connection, authority, path }: GatewayExchange): string {
  return `${connection.tls ? 'https' : 'http'}://${authority}${path}`
}

import { createHash } from 'node:crypto'
import { type RateLimitDecision, type RateLimiter, rateLimitHeaders, readIpNetwork } from '@sd/core'
import type { RouteRateLimit } from '../table/table.ts'
import type { GatewayExchange, GatewayFilter } from './filter.ts'
import { RouteRefusal } from './route-refusal.ts'

/** Keys of a limiter have at most 512 characters. */
const maxKeyLength = 400

/** Refuses requests beyond a number of concurrent ones, with 503. */
export function createConcurrencyFilter(route: string, concurrency: number): GatewayFilter {
  const open = new Set<GatewayExchange>()
  return {
    onRequest(exchange) {
      if (open.size >= concurrency) {
        throw new RouteRefusal(503, `Route ${route} has ${concurrency} requests in progress`, { retryAfterMs: 1_000 })
      }
      open.add(exchange)
      return undefined
    },
    onEnd: (exchange) => void open.delete(exchange),
  }
}

/** Refuses requests beyond a rate, with 429 and when to come back. Responses to the others say what is left. */
export function createRateFilter(route: string, limiter: RateLimiter, { key = 'client-address' }: RouteRateLimit): GatewayFilter {
  const keyOf = rateKey(key)
  const decisions = new WeakMap<GatewayExchange, RateLimitDecision>()

  function decide(exchange: GatewayExchange, decision: RateLimitDecision): undefined {
    if (decision.allowed) {
      decisions.set(exchange, decision)
      return undefined
    }
    throw new RouteRefusal(429, `Route ${route} is over the rate limit ${limiter.name}`, { cause: decision })
  }

  return {
    onRequest(exchange) {
      const unit = keyOf(exchange)
      if (limiter.tryAcquire) return decide(exchange, limiter.tryAcquire(unit))
      return limiter.acquire(unit).then((decision) => decide(exchange, decision))
    },
    onResponse(exchange, response) {
      const decision = decisions.get(exchange)
      // A service may have a limit of its own, which is nearer to what it does.
      if (!decision || response.header('ratelimit') !== undefined) return
      for (const [name, value] of Object.entries(rateLimitHeaders(decision))) response.setHeader(name, value)
    },
  }
}

/** What has a limit of its own. Keys of different kinds differ. */
export function rateKey(
  key: NonNullable<RouteRateLimit['key']>,
): (exchange: Pick<GatewayExchange, 'clientAddress' | 'header'>) => string {
  if (key === 'none') return () => 'all'
  if (key === 'client-address') {
    return ({ clientAddress }) => `address:${readIpNetwork(clientAddress) ?? ''}`
  }
  return (exchange) => {
    const value = exchange.header(key.header) ?? ''
    return `header:${value.length <= maxKeyLength ? value : createHash('sha256').update(value).digest('hex')}`
  }
}

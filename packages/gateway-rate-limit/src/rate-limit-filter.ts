import { checkFunction, checkKnownKeys, checkObject, invalidError, type RateLimiter, rateLimitHeaders, toSdError } from '@sd/core'
import { type FilterFactory, type GatewayExchange, type GatewayFilter, type GatewayResponse, RouteRefusal } from '@sd/gateway'
import { type ResolvedRateLimit, readRateLimitOptions } from './rate-limit-options.ts'
import { type TakenUnits, takeUnits } from './take-units.ts'

/** Parts of {@link createRateLimitFilter}. */
export interface RateLimitParts {
  /** Limiters by the name that routes use, which appears in responses. They are not closed. */
  readonly limiters: Readonly<Record<string, RateLimiter>>
}

/**
 * Creates the filter `rate-limit`, which refuses requests of a route beyond its limits, with {@link RateLimitOptions}.
 *
 * @throws SdError `SD_INVALID` that names the limiter
 */
export function createRateLimitFilter(parts: RateLimitParts): FilterFactory {
  checkKnownKeys('', parts, ['limiters'])
  const limiters = { ...checkObject('limiters', parts.limiters) } as Readonly<Record<string, RateLimiter>>
  for (const [name, limiter] of Object.entries(limiters)) {
    if (!/^[ -~]{1,100}$/.test(name)) throw invalidError('limiters', name, 'names of 1 to 100 characters of printable ASCII')
    checkFunction(`limiters.${name}.acquire`, (limiter as RateLimiter | undefined)?.acquire as RateLimiter['acquire'])
  }
  return (options, scope) => createFilter(scope.route, readRateLimitOptions(options, limiters, scope))
}

function createFilter(route: string, { limits, exempt, dryRun }: ResolvedRateLimit): GatewayFilter {
  const decided = new Map<GatewayExchange, readonly TakenUnits[]>()

  function decide(exchange: GatewayExchange, taken: readonly TakenUnits[]): undefined {
    if (dryRun) return undefined
    decided.set(exchange, taken)
    const { limit, decision } = taken.at(-1) as TakenUnits
    if (decision.allowed) return undefined
    throw new RouteRefusal(429, `Route ${route} is over the rate limit ${limit.name}`, { cause: decision })
  }

  /** A limiter has a setting for the time without its backend. One that fails is set to refuse. */
  function fail(thrown: unknown): undefined {
    if (dryRun) return undefined
    const cause = toSdError(thrown, 'SD_UNAVAILABLE', 'The rate limiter')
    throw new RouteRefusal(503, `A rate limit of route ${route} can't be checked`, { cause, retryAfterMs: 1_000 })
  }

  function take(exchange: GatewayExchange): ReturnType<typeof takeUnits> | undefined {
    try {
      return takeUnits(limits, exchange)
    } catch (error) {
      return fail(error)
    }
  }

  return {
    onRequest(exchange) {
      if (exempt.has(exchange.clientAddress)) return undefined
      const taken = take(exchange)
      if (taken === undefined) return undefined
      if (!('then' in taken)) return decide(exchange, taken)
      return taken.then((units) => decide(exchange, units), fail)
    },
    onResponse(exchange, response) {
      const taken = decided.get(exchange)
      if (taken) addFields(response, taken)
    },
    onEnd: (exchange) => void decided.delete(exchange),
  }
}

/** Fields of a refusal replace those of the gateway; fields of other limits, such as those of the service, stay. */
function addFields(response: GatewayResponse, taken: readonly TakenUnits[]): void {
  let policies: string | undefined
  let states: string | undefined
  for (const { limit, decision } of taken) {
    const { 'ratelimit-policy': policy, ratelimit: state } = rateLimitHeaders(decision, limit.name)
    if (policy === undefined || state === undefined) continue
    policies = policies === undefined ? policy : `${policies}, ${policy}`
    states = states === undefined ? state : `${states}, ${state}`
  }
  if (policies === undefined || states === undefined) return
  const isRefused = taken.at(-1)?.decision.allowed === false
  for (const [name, value] of [['ratelimit-policy', policies] as const, ['ratelimit', states] as const]) {
    if (isRefused) response.setHeader(name, value)
    else response.addHeader(name, value)
  }
}

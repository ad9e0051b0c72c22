import { describeThrown, guardListener, SdError } from '@sd/core'
import type { CreateBodyTransform } from '../filters/body-transform.ts'
import type { ExchangeOutcome, GatewayExchange, GatewayFilter, GatewayReply } from '../filters/filter.ts'
import type { GatewayCall } from '../protocol.ts'
import type { CompiledRoute } from '../routing/compiled-table.ts'
import { detailOf, statusOf } from './reply.ts'
import { ResponseHead } from './response-head.ts'
import { filterLimitMs, isOfSubrequest } from './subrequest.ts'

/** An exchange, as the filters of its route run. Exactly one of these is called. */
export interface FilterTaker extends GatewayExchange {
  /** No filter has responded. */
  onFiltered(): void
  onFilterReply(reply: GatewayReply): void
  onFilterError(thrown: unknown): void
}

/** Runs the filters of a route from `index` on. One that returns a promise pauses the request. */
export function filterRequest(route: CompiledRoute, exchange: FilterTaker, index: number): void {
  const { filters } = route
  for (let at = index; at < filters.length; at++) {
    try {
      const result = filters[at]?.onRequest?.(exchange)
      if (result === undefined) continue
      if ('then' in result) awaitFilter(route, exchange, { result, at })
      else exchange.onFilterReply(result)
    } catch (thrown) {
      exchange.onFilterError(thrown)
    }
    return
  }
  exchange.onFiltered()
}

function awaitFilter(
  route: CompiledRoute,
  exchange: FilterTaker,
  { result, at }: { readonly result: Promise<GatewayReply | undefined>; readonly at: number },
): void {
  const limitMs = route.spec.timeouts?.headMs ?? filterLimitMs
  let isOver = false
  const limit = () => {
    isOver = true
    exchange.onFilterError(new SdError('SD_TIMEOUT', `A filter of the gateway took longer than ${limitMs} ms`))
  }
  const timer = limitMs > 0 ? setTimeout(limit, limitMs) : undefined
  result.then(
    (reply) => {
      clearTimeout(timer)
      if (isOver) return
      if (reply) exchange.onFilterReply(reply)
      else filterRequest(route, exchange, at + 1)
    },
    (thrown) => {
      clearTimeout(timer)
      if (!isOver) exchange.onFilterError(thrown)
    },
  )
}

/**
 * Lets the filters of a route change the head of a response, the last one first, then its header rules, and then the call.
 * Throws what a filter throws.
 *
 * @param route absent if its filters are not asked
 * @returns transforms of the body, if there are any
 */
export function filterResponse(
  route: CompiledRoute | undefined,
  call: GatewayCall | undefined,
  exchange: GatewayExchange,
  response: { readonly status: number; readonly raw: string[] },
): readonly CreateBodyTransform[] | undefined {
  const filters = route?.filters ?? []
  if (filters.length === 0 && !route?.changeResponse && !call?.onResponse) return undefined
  const head = new ResponseHead(response.status, response.raw)
  for (let index = filters.length - 1; index >= 0; index--) filters[index]?.onResponse?.(exchange, head)
  route?.changeResponse?.(head)
  call?.onResponse?.(head)
  return head.transforms
}

/** Tells the filters of a route how the exchange ended. What one throws is only reported: nothing is left to be failed. */
export function endFilters(filters: readonly GatewayFilter[], exchange: GatewayExchange, outcome: ExchangeOutcome): void {
  for (const filter of filters) if (filter.onEnd) reportThrown(filter, exchange, outcome)
}

const reportThrown = guardListener(
  'onEnd of a filter of the gateway',
  (filter: GatewayFilter, exchange: GatewayExchange, outcome: ExchangeOutcome) => filter.onEnd?.(exchange, outcome),
)

/** What a request gets whose filter has failed. A filter may refuse a request as a policy does. The client did not cause its other errors. */
export function filterFailure(thrown: unknown): [status: number, error: SdError, detail: string] {
  const isRefusal =
    thrown instanceof SdError && (thrown.code === 'SD_REJECTED' || thrown.code === 'SD_TIMEOUT' || isOfSubrequest(thrown))
  const status = isRefusal ? statusOf(thrown) : 500
  return [status, isRefusal ? thrown : filterError(thrown), detailOf(status)]
}

/** The error of a filter that failed. The client did not cause it. */
export function filterError(thrown: unknown): SdError {
  return new SdError('SD_LISTENER_FAILED', `A filter of the gateway failed: ${describeThrown(thrown)}`, { cause: thrown })
}

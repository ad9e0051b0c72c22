import type { FilterFactory, GatewayExchange, GatewayFilter, GatewayReply, GatewayResponse } from '@sd/gateway'
import { type ResolvedCors, readCorsOptions } from './cors-options.ts'

/** Response fields of the CORS protocol. Those of the service are removed: two of them are as good as none to a browser. */
const corsFields = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
] as const

const notAllowed: GatewayReply = {
  status: 403,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: 'The origin is not allowed to use this resource.\n',
}

/**
 * Creates the filter `cors`, which answers preflight requests and sets the fields of the CORS protocol on all responses of a
 * route, with {@link CorsOptions}.
 *
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function createCorsFilter(): FilterFactory {
  return (options) => createFilter(readCorsOptions(options))
}

function createFilter(cors: ResolvedCors): GatewayFilter {
  const { origins } = cors
  return {
    onRequest(exchange) {
      if (!isPreflight(exchange)) return undefined
      return origins.isAny || origins.has(exchange.header('origin') ?? '') ? { status: 204 } : notAllowed
    },
    onResponse(exchange, response) {
      for (const name of corsFields) if (response.header(name) !== undefined) response.removeHeader(name)
      const origin = exchange.header('origin')
      if (origins.isAny) response.setHeader('access-control-allow-origin', '*')
      else {
        addVary(response)
        if (origin === undefined || !origins.has(origin)) return
        response.setHeader('access-control-allow-origin', origin)
      }
      setFields(cors, exchange, response)
    },
  }
}

/** Whether a request asks what another one may do. Any other OPTIONS request is for the service. */
function isPreflight(exchange: GatewayExchange): boolean {
  if (exchange.method !== 'OPTIONS' || exchange.header('origin') === undefined) return false
  return exchange.header('access-control-request-method') !== undefined
}

function setFields(
  { preflight, actual, privateNetwork }: ResolvedCors,
  exchange: GatewayExchange,
  response: GatewayResponse,
): void {
  if (!isPreflight(exchange)) {
    for (const [name, value] of actual) response.setHeader(name, value)
    return
  }
  for (const [name, value] of preflight) response.setHeader(name, value)
  if (privateNetwork && exchange.header('access-control-request-private-network') === 'true') {
    response.setHeader('access-control-allow-private-network', 'true')
  }
}

/** A cache must not give the response for one origin to another, nor that for none. */
function addVary(response: GatewayResponse): void {
  const names = response.header('vary')?.toLowerCase().split(',') ?? []
  if (!names.some((name) => name.trim() === 'origin' || name.trim() === '*')) response.addHeader('vary', 'origin')
}

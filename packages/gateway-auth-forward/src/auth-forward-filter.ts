import { toSdError } from '@sd/core'
import { errorReply, type FilterFactory, type GatewayExchange, type GatewayFilter, type GatewayReply } from '@sd/gateway'
import { createAsk, type Decision } from './ask.ts'
import { type ResolvedAuthForward, readAuthForwardOptions } from './auth-forward-options.ts'
import { DecisionCache } from './decision-cache.ts'

/** Longest identity. */
const maxIdentity = 256

/** Creates the filter `auth-forward`, which asks a service whether requests may pass, with {@link AuthForwardOptions}. */
export function createAuthForwardFilter(): FilterFactory {
  return (options, scope) => createFilter(readAuthForwardOptions(options, scope))
}

function createFilter(settings: ResolvedAuthForward): GatewayFilter {
  const ask = createAsk(settings)
  const cache = settings.cache && new DecisionCache(settings.cache)
  /** Cookies for the response. A reply has one value for each field. */
  const cookies = new WeakMap<GatewayExchange, readonly string[]>()

  function apply(exchange: GatewayExchange, decision: Decision): GatewayReply | undefined {
    const isAllowed = decision.status >= 200 && decision.status <= 299
    const sendsCookies = isAllowed ? settings.responseCookies : settings.clientHeaders.includes('set-cookie')
    if (sendsCookies && decision.cookies.length > 0) cookies.set(exchange, decision.cookies)
    if (!isAllowed) return refuse(settings, decision)
    const { forwardHeaders, identityHeader } = settings
    for (const name of forwardHeaders) {
      const value = decision.headers.get(name)
      if (value !== undefined) exchange.addHeader(name, value)
    }
    exchange.identity = (identityHeader === undefined ? '' : (decision.headers.get(identityHeader) ?? '')).slice(0, maxIdentity)
    return undefined
  }

  // Fields of the client are removed after the question: the service may replace `authorization`, and must see it before.
  return {
    onRequest(exchange) {
      const key = cache?.keyOf(exchange)
      const known = key === undefined ? undefined : cache?.get(key)
      if (known) {
        removeFields(exchange, settings.forwardHeaders)
        return apply(exchange, known)
      }
      return ask(exchange).then(
        (decision) => {
          if (key !== undefined) cache?.set(key, decision)
          removeFields(exchange, settings.forwardHeaders)
          return apply(exchange, decision)
        },
        (error) => {
          removeFields(exchange, settings.forwardHeaders)
          return settings.failOpen ? undefined : fail(exchange, error)
        },
      )
    },
    onResponse(exchange, response) {
      for (const cookie of cookies.get(exchange) ?? []) response.addHeader('set-cookie', cookie)
    },
  }
}

/** A client must not set the fields that the service takes for those of the authorisation, also not with `_` for `-`. */
function removeFields(exchange: GatewayExchange, fields: readonly string[]): void {
  if (fields.length === 0) return
  const { rawHeaders } = exchange
  const names = rawHeaders.filter((name, index) => index % 2 === 0 && fields.includes(name.replaceAll('_', '-')))
  for (const name of names) exchange.removeHeader(name)
}

function refuse({ clientHeaders }: ResolvedAuthForward, { status, headers: given, body }: Decision): GatewayReply {
  const headers: Record<string, string> = {}
  for (const name of clientHeaders) {
    const value = given.get(name)
    if (value !== undefined && (body !== undefined || name !== 'content-type')) headers[name] = value
  }
  return { status, headers, ...(body && { body }) }
}

function fail(exchange: GatewayExchange, thrown: unknown): GatewayReply {
  const error = toSdError(thrown, 'SD_UNAVAILABLE', 'The authorisation service can not be reached')
  const detail = 'Whether the request is allowed can not be found out now.'
  return errorReply({ status: 503, detail, error, accept: exchange.header('accept') })
}

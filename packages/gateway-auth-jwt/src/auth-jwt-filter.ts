import { SdError } from '@sd/core'
import {
  errorReply,
  type FilterFactory,
  type FilterScope,
  type GatewayExchange,
  type GatewayFilter,
  type GatewayReply,
} from '@sd/gateway'
import type { JWTPayload } from 'jose'
import { type KeySource, type ResolvedAuthJwt, readAuthJwtOptions } from './auth-jwt-options.ts'
import { claimOf, hasScopes, satisfies, toFieldValue } from './claims.ts'
import type { KeyStore } from './key-store.ts'
import { openKeys } from './load-keys.ts'
import { findToken, removeToken } from './token-source.ts'
import { createVerifier, InvalidToken } from './verify-token.ts'

/** Longest identity. */
const maxIdentity = 256

/**
 * Creates the filter `auth-jwt`, which accepts requests with a JSON Web Token of an issuer, with {@link AuthJwtOptions}. Routes
 * of a gateway with the same source of keys share them.
 */
export function createAuthJwtFilter(): FilterFactory {
  /** By what fetches them: a factory may serve several gateways. */
  const shared = new Map<string, SharedKeys>()
  const byClient = new WeakMap<object, Map<string, SharedKeys>>()

  function keysOf({ fetch }: Pick<FilterScope, 'fetch'>): Map<string, SharedKeys> {
    if (!fetch) return shared
    const known = byClient.get(fetch) ?? new Map<string, SharedKeys>()
    byClient.set(fetch, known)
    return known
  }

  return (options, scope) => {
    const settings = readAuthJwtOptions(options, scope)
    return createFilter(settings, acquireKeys(keysOf(scope), settings.source))
  }
}

interface SharedKeys {
  readonly store: KeyStore
  users: number
}

function acquireKeys(all: Map<string, SharedKeys>, source: KeySource): { readonly store: KeyStore; release(): void } {
  const id = JSON.stringify(source)
  const entry = all.get(id) ?? { store: openKeys(source), users: 0 }
  entry.users++
  all.set(id, entry)
  const release = (): void => {
    if (--entry.users > 0) return
    all.delete(id)
    entry.store.close()
  }
  return { store: entry.store, release }
}

function createFilter(settings: ResolvedAuthJwt, keys: { readonly store: KeyStore; release(): void }): GatewayFilter {
  const verify = createVerifier(settings, keys.store)
  const { optional, maxTokenLength, forwarded } = settings
  const fields = new Set(forwarded.map(([, field]) => field))

  return {
    onRequest(exchange) {
      removeFields(exchange, fields)
      const found = findToken(exchange, settings)
      if ('fault' in found) {
        if (found.fault !== 'none') return refuseFault(exchange, settings, found.fault)
        return optional ? undefined : refuse(exchange, settings, { status: 401, detail: 'The request has no token.' })
      }
      if (found.token.length > maxTokenLength) return refuseToken(exchange, settings, 'The token is too long.')
      return verify(found.token).then(
        (payload) => accept(exchange, settings, payload),
        (error) => reject(exchange, settings, error),
      )
    },
    close: () => keys.release(),
  }
}

/** A client must not set the fields that the service takes for those of the gateway, also not with `_` for `-`. */
function removeFields(exchange: GatewayExchange, fields: ReadonlySet<string>): void {
  if (fields.size === 0) return
  const { rawHeaders } = exchange
  const names = rawHeaders.filter((name, index) => index % 2 === 0 && fields.has(name.replaceAll('_', '-')))
  for (const name of names) exchange.removeHeader(name)
}

function accept(exchange: GatewayExchange, settings: ResolvedAuthJwt, payload: JWTPayload): GatewayReply | undefined {
  const { scopes, rules, forwarded, identityClaim } = settings
  if (!hasScopes(payload, scopes) || !rules.every((rule) => satisfies(payload, rule))) {
    const code = 'insufficient_scope'
    return refuse(exchange, settings, { status: 403, detail: 'The token does not allow this request.', code })
  }
  if (settings.removeToken) removeToken(exchange, settings)
  const identity = claimOf(payload, identityClaim)
  exchange.identity = typeof identity === 'string' ? identity.slice(0, maxIdentity) : ''
  for (const [claim, field] of forwarded) {
    const value = toFieldValue(claimOf(payload, claim))
    if (value !== undefined) exchange.addHeader(field, value)
  }
  return undefined
}

function reject(exchange: GatewayExchange, settings: ResolvedAuthJwt, error: unknown): GatewayReply {
  if (error instanceof InvalidToken) return refuseToken(exchange, settings, error.message)
  if (!(error instanceof SdError)) throw error
  const detail = 'The token can not be verified now.'
  return errorReply({ status: 503, detail, error, accept: exchange.header('accept') })
}

function refuseFault(exchange: GatewayExchange, settings: ResolvedAuthJwt, fault: 'several' | 'malformed'): GatewayReply {
  const detail = fault === 'several' ? 'The request has more than one token.' : 'The token is malformed.'
  return refuse(exchange, settings, { status: 400, detail, code: 'invalid_request' })
}

function refuseToken(exchange: GatewayExchange, settings: ResolvedAuthJwt, detail: string): GatewayReply {
  return refuse(exchange, settings, { status: 401, detail, code: 'invalid_token' })
}

/** RFC 6750, 3: a request without a token gets no error code. */
function refuse(
  exchange: GatewayExchange,
  { realm, scopes }: ResolvedAuthJwt,
  { status, detail, code }: { readonly status: 400 | 401 | 403; readonly detail: string; readonly code?: string },
): GatewayReply {
  const parameters = [
    realm !== undefined && `realm="${realm}"`,
    code !== undefined && `error="${code}"`,
    code !== undefined && `error_description="${detail}"`,
    status === 403 && scopes.length > 0 && `scope="${scopes.join(' ')}"`,
  ].filter((text) => text !== false)
  const error = new SdError(status === 400 ? 'SD_INVALID' : 'SD_DENIED', detail, { origin: 'caller' })
  const headers = { 'www-authenticate': ['Bearer', parameters.join(', ')].join(' ').trim() }
  return errorReply({ status, detail, error, accept: exchange.header('accept'), headers })
}

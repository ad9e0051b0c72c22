import { checkName, checkObject, invalidError } from '@sd/core'
import type { JWTPayload } from 'jose'

/** A claim that a token must have. */
export interface ClaimRule {
  readonly claim: string
  /** One of these suffices. `*` is any value. */
  readonly values: readonly unknown[]
}

const maxClaims = 50

/** Fields that a claim must not replace, because the gateway and the framing decide about them. */
const ownFields: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
])

/** @throws SdError `SD_INVALID` that names the claim */
export function readClaimRules(field: string, value: unknown): ClaimRule[] {
  return entriesOf(field, value).map(([claim, wanted]) => {
    const values: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted]
    const isValid =
      values.length > 0 && values.length <= 100 && values.every((one) => ['string', 'number', 'boolean'].includes(typeof one))
    if (!isValid) throw invalidError(`${field}.${claim}`, wanted, 'a string, a number, true, false, or an array of these')
    return { claim, values }
  })
}

/** @returns pairs of claim and field in lower case @throws SdError `SD_INVALID` that names the claim */
export function readForwardedClaims(field: string, value: unknown): (readonly [string, string])[] {
  return entriesOf(field, value).map(([claim, name]) => {
    const lower = typeof name === 'string' ? name.toLowerCase() : ''
    const isOwn = ownFields.has(lower) || lower.startsWith('x-forwarded-')
    if (!/^[!#$%&'*+\-.^`|~\da-z]{1,100}$/.test(lower) || isOwn) {
      throw invalidError(`${field}.${claim}`, name, 'the name of a header field of your own, without underscores')
    }
    return [claim, lower] as const
  })
}

function entriesOf(field: string, value: unknown): [string, unknown][] {
  const entries = Object.entries(checkObject(field, value))
  if (entries.length > maxClaims) throw invalidError(field, `${entries.length} claims`, `at most ${maxClaims}`)
  for (const [claim] of entries) checkName(`${field}.${claim}`, claim, 200)
  return entries
}

/** The value of a claim. A name with dots that is not a claim is a path: `realm_access.roles`. */
export function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name]
  let value: unknown = payload
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[part]
  }
  return value
}

/** Whether a token has a claim as a rule wants it. */
export function satisfies(payload: JWTPayload, { claim, values }: ClaimRule): boolean {
  const value = claimOf(payload, claim)
  if (value === undefined || value === null) return false
  const found: readonly unknown[] = Array.isArray(value) ? value : [value]
  return values.includes('*') || found.some((one) => values.includes(one))
}

/** Whether a token has all scopes: in `scope` (RFC 8693, 4.2), or in `scp` as some issuers have it. */
export function hasScopes(payload: JWTPayload, scopes: readonly string[]): boolean {
  if (scopes.length === 0) return true
  const given = [payload['scope'], payload['scp']].flatMap((value) => (typeof value === 'string' ? value.split(' ') : value))
  return scopes.every((scope) => given.includes(scope))
}

/**
 * The value of a claim as that of a header field: texts, numbers and booleans as they are, arrays of these with commas between
 * them, anything else as JSON. What is not plain is percent-encoded, so that decoding gives the claim in any case.
 */
export function toFieldValue(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every((one) => one !== null && typeof one !== 'object')) {
    return value.map((one) => encode(String(one), /[^\x21-\x7e]|[%,]/)).join(',')
  }
  return encode(typeof value === 'object' ? JSON.stringify(value) : String(value), /[^\x20-\x7e]|%|^ | $/)
}

function encode(text: string, special: RegExp): string {
  return special.test(text) ? encodeURIComponent(text.toWellFormed()) : text
}

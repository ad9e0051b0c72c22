import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  invalidError,
} from '@sd/core'
import { type FilterScope, type FilterTarget, readFilterTarget } from '@sd/gateway'
import type { JWK } from 'jose'
import { type TokenAlgorithm, tokenAlgorithms } from './algorithms.ts'
import { type ClaimRule, readClaimRules, readForwardedClaims } from './claims.ts'
import { readPublicKeys } from './public-keys.ts'

/** How the keys of an issuer are kept. */
export interface JwksCacheOptions {
  /** Limit of one request for the keys, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
  /** Age at which keys are fetched again, in milliseconds: a key that the issuer has withdrawn is accepted for this time. @default 600_000 */
  readonly cacheMs?: number
  /** Shortest time between two requests because of a key id that is not known, in milliseconds. @default 30_000 */
  readonly cooldownMs?: number
  /** Age up to which keys are used while the issuer is unreachable, in milliseconds. @default 86_400_000, a day */
  readonly staleMs?: number
}

/** Options of the filter on a route. One of `jwksUrl`, `jwksFile` and `keys` is required. */
export interface AuthJwtOptions {
  /** Value of `iss`, or several of which a token must have one. */
  readonly issuer: string | readonly string[]
  /** Value of `aud`, or several of which a token must have one. `false` accepts tokens for any audience: also those for other services. */
  readonly audience: string | readonly string[] | false
  /** Accepted algorithms of the signature. @default RS*, PS*, ES* with 256, 384 and 512, EdDSA and Ed25519 */
  readonly algorithms?: readonly TokenAlgorithm[]
  /** Where the issuer publishes its keys; `service://name/path` for a service of the gateway's client. */
  readonly jwksUrl?: string
  /** A file with a JSON Web Key Set, or with public keys or certificates in PEM. It is read again when it is older than `jwks.cacheMs`. */
  readonly jwksFile?: string
  /** Public keys as JSON Web Keys. */
  readonly keys?: readonly Readonly<Record<string, unknown>>[]
  /** How keys are fetched and kept. */
  readonly jwks?: JwksCacheOptions
  /** Difference of the clocks that is accepted in `exp`, `nbf` and `iat`, in milliseconds. @default 30_000 */
  readonly clockToleranceMs?: number
  /** Longest time since `iat`, in milliseconds, which is then required. @default no limit but `exp` */
  readonly maxAgeMs?: number
  /** Media type that `typ` of the token's header must name, such as `at+jwt` for access tokens (RFC 9068). @default any */
  readonly type?: string
  /** Name of the field with the token: after `Bearer` in `authorization`, else alone. @default 'authorization', or none if there is a cookie */
  readonly header?: string
  /** Name of the cookie with the token. @default none */
  readonly cookie?: string
  /** Longest token, in characters. @default 8_192 */
  readonly maxTokenLength?: number
  /** Scopes that a token must all have in `scope` or `scp`. @default none */
  readonly requiredScopes?: readonly string[]
  /** Claims with the value that they must have, or several of which one suffices; `*` for any. Arrays must contain it. @default none */
  readonly requiredClaims?: Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[]>>
  /** Header fields for the service by claim. Those that the client has sent are removed from every request. @default none */
  readonly forwardClaims?: Readonly<Record<string, string>>
  /** Claim that is the identity of the client in access logs and for later filters. @default 'sub' */
  readonly identityClaim?: string
  /** Whether requests without a token pass. One that is not valid is refused in any case. @default false */
  readonly optional?: boolean
  /** Whether the service does not get the token. @default false */
  readonly removeToken?: boolean
  /** Name of the protected area in `www-authenticate`. @default none */
  readonly realm?: string
}

const keys: readonly (keyof AuthJwtOptions)[] = [
  'issuer',
  'audience',
  'algorithms',
  'jwksUrl',
  'jwksFile',
  'keys',
  'jwks',
  'clockToleranceMs',
  'maxAgeMs',
  'type',
  'header',
  'cookie',
  'maxTokenLength',
  'requiredScopes',
  'requiredClaims',
  'forwardClaims',
  'identityClaim',
  'optional',
  'removeToken',
  'realm',
]

/** Where keys come from, and how long they are kept. */
export interface KeySource extends Required<JwksCacheOptions> {
  /** Exactly one of these. */
  readonly target?: FilterTarget
  readonly file?: string
  readonly keys?: readonly JWK[]
}

/** Options, checked. */
export interface ResolvedAuthJwt {
  readonly issuer: string[]
  readonly audience: string[] | undefined
  readonly algorithms: string[]
  readonly source: KeySource
  readonly clockToleranceMs: number
  readonly maxAgeMs: number | undefined
  readonly type: string | undefined
  readonly header: string | undefined
  readonly cookie: string | undefined
  readonly maxTokenLength: number
  readonly scopes: readonly string[]
  readonly rules: readonly ClaimRule[]
  /** Pairs of claim and field. */
  readonly forwarded: readonly (readonly [string, string])[]
  readonly identityClaim: string
  readonly optional: boolean
  readonly removeToken: boolean
  readonly realm: string | undefined
}

const fieldName = /^[!#$%&'*+\-.^_`|~\da-z]{1,100}$/i
/** RFC 6749, 3.3; a comma or a quotation mark would end a parameter of `www-authenticate`. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/

/** Checks options from a table. @throws SdError `SD_INVALID` that names the field */
export function readAuthJwtOptions(
  options: Readonly<Record<string, unknown>>,
  scope: Pick<FilterScope, 'fetch'>,
): ResolvedAuthJwt {
  checkKnownKeys('', options, keys)
  const { issuer, audience, algorithms = tokenAlgorithms, type, maxAgeMs, cookie, realm } = options
  const header = options['header'] ?? (cookie === undefined ? 'authorization' : undefined)
  return {
    issuer: readNames('issuer', issuer),
    audience: audience === false ? undefined : readNames('audience', audience),
    algorithms: readList('algorithms', algorithms, 1).map((name, index) =>
      checkOneOf(`algorithms[${index}]`, name, tokenAlgorithms),
    ),
    source: readSource(options, scope),
    clockToleranceMs: checkInteger('clockToleranceMs', options['clockToleranceMs'] ?? 30_000, { min: 0, max: 600_000 }),
    maxAgeMs: maxAgeMs === undefined ? undefined : checkDuration('maxAgeMs', maxAgeMs, 1_000),
    type: type === undefined ? undefined : checkMatch('type', type, /^[\w.+/-]{1,100}$/, 'a media type such as at+jwt'),
    header: header === undefined ? undefined : readFieldName('header', header),
    cookie: cookie === undefined ? undefined : checkMatch('cookie', cookie, fieldName, 'the name of a cookie'),
    maxTokenLength: checkInteger('maxTokenLength', options['maxTokenLength'] ?? 8_192, { min: 100, max: 65_536 }),
    scopes: readList('requiredScopes', options['requiredScopes'] ?? [], 0).map((scope, index) =>
      checkMatch(`requiredScopes[${index}]`, scope, scopeToken, 'a scope without spaces and quotation marks'),
    ),
    rules: readClaimRules('requiredClaims', options['requiredClaims'] ?? {}),
    forwarded: readForwardedClaims('forwardClaims', options['forwardClaims'] ?? {}),
    identityClaim: checkName('identityClaim', options['identityClaim'] ?? 'sub'),
    optional: checkBoolean('optional', options['optional'] ?? false),
    removeToken: checkBoolean('removeToken', options['removeToken'] ?? false),
    realm:
      realm === undefined
        ? undefined
        : checkMatch('realm', realm, /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,200}$/, 'printable ASCII without quotation marks'),
  }
}

function readSource(options: Readonly<Record<string, unknown>>, scope: Pick<FilterScope, 'fetch'>): KeySource {
  const { jwksUrl, jwksFile, keys: given, jwks = {} } = options
  const sources = [jwksUrl, jwksFile, given].filter((one) => one !== undefined)
  if (sources.length !== 1)
    throw invalidError('jwksUrl', `${sources.length} sources of keys`, 'one of jwksUrl, jwksFile and keys')
  const cache = checkObject('jwks', jwks)
  checkKnownKeys('jwks', cache, ['timeoutMs', 'cacheMs', 'cooldownMs', 'staleMs'])
  const cacheMs = checkDuration('jwks.cacheMs', cache['cacheMs'] ?? 600_000, 100)
  return {
    timeoutMs: checkDuration('jwks.timeoutMs', cache['timeoutMs'] ?? 5_000, 1),
    cacheMs,
    cooldownMs: checkDuration('jwks.cooldownMs', cache['cooldownMs'] ?? 30_000, 100),
    staleMs: checkDuration('jwks.staleMs', cache['staleMs'] ?? Math.max(86_400_000, cacheMs), cacheMs),
    ...(jwksUrl !== undefined && { target: readFilterTarget('jwksUrl', jwksUrl, scope) }),
    ...(jwksFile !== undefined && { file: checkName('jwksFile', jwksFile, 4_096) }),
    ...(given !== undefined && { keys: readPublicKeys('keys', readList('keys', given, 1)) }),
  }
}

function readList(field: string, value: unknown, min: number): readonly unknown[] {
  if (Array.isArray(value) && value.length >= min && value.length <= 100) return value
  throw invalidError(field, value, `an array of ${min} to 100 entries`)
}

function readNames(field: string, value: unknown): string[] {
  if (!Array.isArray(value)) return [checkName(field, value, 1_000)]
  return readList(field, value, 1).map((name, index) => checkName(`${field}[${index}]`, name, 1_000))
}

function readFieldName(field: string, value: unknown): string {
  return checkMatch(field, value, fieldName, 'the name of a header field').toLowerCase()
}

function checkMatch(field: string, value: unknown, pattern: RegExp, want: string): string {
  if (typeof value === 'string' && pattern.test(value)) return value
  throw invalidError(field, value, want)
}

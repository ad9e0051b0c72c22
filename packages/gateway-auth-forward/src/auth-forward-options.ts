import { checkBoolean, checkDuration, checkInteger, checkKnownKeys, checkObject, invalidError } from '@sd/core'
import { type FilterScope, type FilterTarget, readFilterTarget } from '@sd/gateway'

/** How long decisions are kept. */
export interface DecisionCacheOptions {
  /** For how long, in milliseconds: a client that loses its access keeps it for this time. At most an hour. */
  readonly ttlMs: number
  /** Fields of the request that a decision depends on, beside host, method, path and address. @default all of `requestHeaders` */
  readonly headers?: readonly string[]
  /** Whether a decision holds for all methods and paths of the route. @default false */
  readonly ignorePath?: boolean
  /** Most decisions; those that were not used for the longest time are dropped first. @default 10_000 */
  readonly maxEntries?: number
}

/** Options of the filter on a route. */
export interface AuthForwardOptions {
  /** Where to ask: `http:`, `https:`, or `service://name/path` for a service of the gateway's client. */
  readonly url: string
  /** Fields of the request that the service sees. @default ['authorization', 'cookie'] */
  readonly requestHeaders?: readonly string[]
  /**
   * Fields of its response that the request gets. Those that the client has sent under these names are removed from every
   * request. @default none
   */
  readonly forwardHeaders?: readonly string[]
  /** Fields of its response that the client gets with a refusal. @default content-type, location, retry-after, set-cookie and www-authenticate */
  readonly clientHeaders?: readonly string[]
  /** Whether cookies that it sets are also added to the response to an accepted request. @default false */
  readonly responseCookies?: boolean
  /** Field of its response with the identity of the client, for access logs and later filters. @default none */
  readonly identityHeader?: string
  /** Limit of one decision, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
  /** Longest body that a client gets with a refusal, in bytes; a longer one is left out. @default 65_536 */
  readonly maxBodyBytes?: number
  /** Whether requests pass if there is no decision: the service is unreachable, too slow, or fails. @default false: they get 503 */
  readonly failOpen?: boolean
  /** Keeps decisions. @default off */
  readonly cache?: DecisionCacheOptions
}

/** Options, checked. Names of fields are in lower case. */
export interface ResolvedAuthForward {
  readonly target: FilterTarget
  readonly requestHeaders: readonly string[]
  readonly forwardHeaders: readonly string[]
  readonly clientHeaders: readonly string[]
  readonly responseCookies: boolean
  readonly identityHeader: string | undefined
  readonly timeoutMs: number
  readonly maxBodyBytes: number
  readonly failOpen: boolean
  readonly cache: Required<DecisionCacheOptions> | undefined
}

const keys: readonly (keyof AuthForwardOptions)[] = [
  'url',
  'requestHeaders',
  'forwardHeaders',
  'clientHeaders',
  'responseCookies',
  'identityHeader',
  'timeoutMs',
  'maxBodyBytes',
  'failOpen',
  'cache',
]

const maxFields = 50

/** Fields of the framing and of one connection, which belong to one message only. */
const framing: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Checks options from a table. @throws SdError `SD_INVALID` that names the field */
export function readAuthForwardOptions(
  options: Readonly<Record<string, unknown>>,
  scope: Pick<FilterScope, 'fetch'>,
): ResolvedAuthForward {
  checkKnownKeys('', options, keys)
  const { url, cache, identityHeader } = options
  const requestHeaders = readFields('requestHeaders', options['requestHeaders'] ?? ['authorization', 'cookie'])
  const clientHeaders = ['content-type', 'location', 'retry-after', 'set-cookie', 'www-authenticate']
  return {
    target: readFilterTarget('url', url, scope),
    requestHeaders,
    forwardHeaders: readFields('forwardHeaders', options['forwardHeaders'] ?? [], isForwardable),
    clientHeaders: readFields('clientHeaders', options['clientHeaders'] ?? clientHeaders),
    responseCookies: checkBoolean('responseCookies', options['responseCookies'] ?? false),
    identityHeader: identityHeader === undefined ? undefined : readField('identityHeader', identityHeader),
    timeoutMs: checkDuration('timeoutMs', options['timeoutMs'] ?? 5_000, 1),
    maxBodyBytes: checkInteger('maxBodyBytes', options['maxBodyBytes'] ?? 65_536, { min: 0, max: 16_777_216 }),
    failOpen: checkBoolean('failOpen', options['failOpen'] ?? false),
    cache: cache === undefined ? undefined : readCache(checkObject('cache', cache), requestHeaders),
  }
}

function readCache(cache: Readonly<Record<string, unknown>>, requestHeaders: readonly string[]): Required<DecisionCacheOptions> {
  checkKnownKeys('cache', cache, ['ttlMs', 'headers', 'ignorePath', 'maxEntries'])
  return {
    ttlMs: checkInteger('cache.ttlMs', cache['ttlMs'], { min: 1, max: 3_600_000 }),
    headers: cache['headers'] === undefined ? requestHeaders : readFields('cache.headers', cache['headers']),
    ignorePath: checkBoolean('cache.ignorePath', cache['ignorePath'] ?? false),
    maxEntries: checkInteger('cache.maxEntries', cache['maxEntries'] ?? 10_000, { min: 1, max: 1_000_000 }),
  }
}

/** Fields that the gateway decides about can't come from a response. */
function isForwardable(name: string): boolean {
  return (
    !name.includes('_') && !name.startsWith('x-forwarded-') && name !== 'forwarded' && name !== 'via' && name !== 'set-cookie'
  )
}

function readFields(field: string, value: unknown, isAllowed?: (name: string) => boolean): string[] {
  if (!Array.isArray(value) || value.length > maxFields)
    throw invalidError(field, value, `an array of at most ${maxFields} fields`)
  return value.map((name, index) => readField(`${field}[${index}]`, name, isAllowed))
}

function readField(field: string, value: unknown, isAllowed: (name: string) => boolean = () => true): string {
  const name = typeof value === 'string' ? value.toLowerCase() : ''
  if (/^[!#$%&'*+\-.^_`|~\da-z]{1,100}$/.test(name) && !framing.has(name) && isAllowed(name)) return name
  throw invalidError(field, value, 'the name of a header field that is not one of the gateway or the framing')
}

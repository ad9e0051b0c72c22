import { checkBoolean, checkDuration, checkKnownKeys, checkText, invalidError } from '@sd/core'
import { type AllowedOrigins, readOrigins } from './origins.ts'

/** Options of the filter on a route. */
export interface CorsOptions {
  /**
   * Origins whose pages may read responses: `https://app.example.com`; `https://*.example.com` for one or more labels;
   * `null` for pages without an origin; or `*` alone for all, which excludes credentials.
   */
  readonly origins: readonly string[]
  /** Methods beside GET, HEAD and POST, which the Fetch standard always allows; `*` for all, without credentials. @default none */
  readonly methods?: readonly string[]
  /** Request fields beside those that the Fetch standard always allows; `*` for all but `authorization`, without credentials. @default none */
  readonly headers?: readonly string[]
  /** Response fields that pages may read, beside those of the Fetch standard; `*` for all, without credentials. @default none */
  readonly exposedHeaders?: readonly string[]
  /** Whether requests may carry cookies, client certificates and `authorization`. @default false */
  readonly credentials?: boolean
  /**
   * How long a browser may keep the response to a preflight request, in milliseconds; sent as whole seconds, rounded down.
   * Browsers have limits of their own: two hours in Chromium, a day in Firefox.
   *
   * @default 5_000, which is that of the Fetch standard
   */
  readonly maxAgeMs?: number
  /** Whether pages of public networks may send requests to this private network. @default false */
  readonly privateNetwork?: boolean
}

const keys: readonly (keyof CorsOptions)[] = [
  'origins',
  'methods',
  'headers',
  'exposedHeaders',
  'credentials',
  'maxAgeMs',
  'privateNetwork',
]

/** Options, prepared for requests. */
export interface ResolvedCors {
  readonly origins: AllowedOrigins
  readonly credentials: boolean
  readonly privateNetwork: boolean
  /** Fields of a response to a preflight request of an allowed origin. */
  readonly preflight: readonly (readonly [string, string])[]
  /** Fields of any other response to an allowed origin. */
  readonly actual: readonly (readonly [string, string])[]
}

const token = /^[!#$%&'*+\-.^_`|~\da-z]{1,100}$/i
const maxEntries = 100

/** Checks options from a table. @throws SdError `SD_INVALID` that names the field */
export function readCorsOptions(options: Readonly<Record<string, unknown>>): ResolvedCors {
  checkKnownKeys('', options, keys)
  const { origins: given, methods, headers, exposedHeaders, maxAgeMs } = options
  if (!Array.isArray(given) || given.length === 0 || given.length > maxEntries) {
    throw invalidError('origins', given, `an array of 1 to ${maxEntries} origins`)
  }
  const origins = readOrigins('origins', given)
  const credentials = checkBoolean('credentials', options['credentials'] ?? false)
  if (credentials && origins.isAny) {
    throw invalidError('origins[0]', '*', 'a list of origins, because browsers refuse * with credentials')
  }
  const shared: [string, string][] = credentials ? [['access-control-allow-credentials', 'true']] : []
  const preflight = [...shared]
  const actual = [...shared]
  addList(preflight, 'access-control-allow-methods', readTokens('methods', methods, { credentials, isMethod: true }))
  addList(preflight, 'access-control-allow-headers', readTokens('headers', headers, { credentials }))
  addList(actual, 'access-control-expose-headers', readTokens('exposedHeaders', exposedHeaders, { credentials }))
  if (maxAgeMs !== undefined) {
    preflight.push(['access-control-max-age', String(Math.floor(checkDuration('maxAgeMs', maxAgeMs) / 1_000))])
  }
  return {
    origins,
    credentials,
    privateNetwork: checkBoolean('privateNetwork', options['privateNetwork'] ?? false),
    preflight,
    actual,
  }
}

function addList(fields: [string, string][], name: string, values: readonly string[]): void {
  if (values.length > 0) fields.push([name, values.join(', ')])
}

function readTokens(
  path: string,
  values: unknown = [],
  { credentials, isMethod = false }: { readonly credentials: boolean; readonly isMethod?: boolean },
): string[] {
  if (!Array.isArray(values) || values.length > maxEntries) {
    throw invalidError(path, values, `an array of at most ${maxEntries} entries`)
  }
  return values.map((value, index) => readToken(`${path}[${index}]`, value, { credentials, isMethod }))
}

function readToken(
  field: string,
  value: unknown,
  { credentials, isMethod }: { readonly credentials: boolean; readonly isMethod: boolean },
): string {
  const text = checkText(field, value, 100)
  const want = isMethod ? 'a method in upper case' : 'the name of a header field'
  if (!token.test(text) || (isMethod && text !== text.toUpperCase())) throw invalidError(field, value, want)
  // Browsers then take * as the name of a method or field (Fetch, 3.3.4).
  if (text === '*' && credentials) throw invalidError(field, value, `${want}, because * has no meaning with credentials`)
  return isMethod ? text : text.toLowerCase()
}

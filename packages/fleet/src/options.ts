import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkServiceName,
  checkText,
  guardListener,
  invalidError,
  masking,
  type ReadOnlyRegistry,
  type SdError,
} from '@sd/core'
import { checkTls, type TlsOptions } from '@sd/tls'
import { type AllowedNetworks, privateNetworks, readNetworks } from './process/networks.ts'
import { type ProcessAddress, readProcessAddress } from './process/targets.ts'

/**
 * The token for admin endpoints, or a function that returns it for a service; `undefined` for a process of `processes`. The
 * function can return `undefined` to send none. It is called for every request.
 */
export type FleetToken = string | ((service: string | undefined) => string | undefined | Promise<string | undefined>)

/** What a fleet reads of a registry. */
export type FleetSource = Pick<
  ReadOnlyRegistry,
  'name' | 'capabilities' | 'getInstances' | 'listServices' | 'watch' | 'watchServices' | 'watchAll'
>

/** Options of {@link createFleet}. */
export interface FleetOptions {
  /** The registry. It is not closed by the fleet. */
  readonly source: FleetSource
  /** URL of the registry, for people. Credentials are removed. @default none */
  readonly url?: string
  /** Names of services, for a registry that can't list them, such as DNS. @default none */
  readonly services?: readonly string[]
  /** Addresses of admin endpoints that no registry lists: `host:port`, or `https://host:port`. @default none */
  readonly processes?: readonly string[]
  /** Token that admin endpoints want. @default none */
  readonly token?: FleetToken
  /** Encryption of connections to admin endpoints that the registry lists. @default plain HTTP */
  readonly tls?: TlsOptions
  /** Time between two polls in milliseconds, at least 100. It varies by 10 %. @default 2_000 */
  readonly intervalMs?: number
  /** Time limit of one request to an admin endpoint, in milliseconds. @default 1_000 */
  readonly requestTimeoutMs?: number
  /** Maximum number of polled processes. The rest is counted in `omitted`. @default 2_000 */
  readonly maxProcesses?: number
  /** Maximum number of services. The rest is counted in `omitted`. @default 2_000 */
  readonly maxServices?: number
  /** Maximum number of simultaneous requests. @default 32 */
  readonly concurrency?: number
  /** How long traffic and changes are kept, in milliseconds, from a minute to an hour. @default 300_000, 5 minutes */
  readonly keepMs?: number
  /**
   * Networks whose addresses may be asked, such as `10.0.0.0/8`. Everything that can write the registry chooses addresses.
   * @default loopback and private networks, see `DEFAULT_NETWORKS`
   */
  readonly allowedNetworks?: readonly string[]
  /** Whether the token may be sent over plain HTTP to an address that is neither loopback nor private. @default false */
  readonly allowInsecure?: boolean
  /** Receives failures of the registry, of `token` and of rules, each once until it succeeds. @default writes to stderr */
  readonly onError?: (error: SdError) => void
}

/** {@link FleetOptions} with defaults filled in. */
export interface ResolvedFleetOptions {
  readonly source: FleetSource
  readonly url: string
  readonly services: readonly string[]
  readonly processes: readonly ProcessAddress[]
  readonly token: Exclude<FleetToken, string>
  readonly tls: TlsOptions | undefined
  readonly intervalMs: number
  readonly requestTimeoutMs: number
  readonly maxProcesses: number
  readonly maxServices: number
  readonly concurrency: number
  readonly keepMs: number
  readonly allowedNetworks: AllowedNetworks
  readonly allowInsecure: boolean
  readonly onError: (error: SdError) => void
}

const keys = [
  'source',
  'url',
  'services',
  'processes',
  'token',
  'tls',
  'intervalMs',
  'requestTimeoutMs',
  'maxProcesses',
  'maxServices',
  'concurrency',
  'keepMs',
  'allowedNetworks',
  'allowInsecure',
  'onError',
] as const

const sourceMethods = ['getInstances', 'listServices', 'watch', 'watchServices', 'watchAll'] as const
const largest = 100_000
// Visible ASCII, as a header field can contain it.
const tokenPattern = /^[\x21-\x7e]{1,4096}$/

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveFleetOptions(options: FleetOptions): ResolvedFleetOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { intervalMs, requestTimeoutMs, maxProcesses, maxServices, concurrency, keepMs, allowedNetworks, tls } = options
  return {
    source: checkSource(options.source),
    url: withoutCredentials(checkText('url', options.url ?? '', 2_000)),
    services: readList('services', options.services, checkServiceName),
    processes: readList('processes', options.processes, readProcessAddress),
    token: readToken(options.token),
    tls: tls === undefined ? undefined : checkTls('tls', tls),
    intervalMs: checkDuration('intervalMs', intervalMs ?? 2_000, 100),
    requestTimeoutMs: checkDuration('requestTimeoutMs', requestTimeoutMs ?? 1_000, 1),
    maxProcesses: checkInteger('maxProcesses', maxProcesses ?? 2_000, { min: 1, max: largest }),
    maxServices: checkInteger('maxServices', maxServices ?? 2_000, { min: 1, max: largest }),
    concurrency: checkInteger('concurrency', concurrency ?? 32, { min: 1, max: 1_000 }),
    keepMs: checkInteger('keepMs', keepMs ?? 300_000, { min: 60_000, max: 3_600_000 }),
    allowedNetworks: allowedNetworks === undefined ? privateNetworks : readNetworks('allowedNetworks', allowedNetworks),
    allowInsecure: checkBoolean('allowInsecure', options.allowInsecure ?? false),
    onError: guardListener(
      'onError',
      checkFunction('onError', options.onError ?? (({ message }) => process.stderr.write(`${message}\n`))),
    ),
  }
}

function checkSource(source: FleetSource): FleetSource {
  const given = checkObject('source', source)
  for (const method of sourceMethods) checkFunction(`source.${method}`, given[method] as () => void)
  checkText('source.name', given['name'], 255)
  checkObject('source.capabilities', given['capabilities'])
  return source
}

function readToken(token: FleetToken | undefined): Exclude<FleetToken, string> {
  if (typeof token === 'function') return token
  if (token === undefined) return () => undefined
  const checked = checkToken(token)
  return () => checked
}

/** Returns `token` if it can be sent in a header field. @throws SdError `SD_INVALID` that does not contain it */
export function checkToken(token: unknown): string {
  if (typeof token === 'string' && tokenPattern.test(token)) return token
  throw invalidError('token', `a value of type ${typeof token}`, 'visible ASCII characters, at most 4,096, or a function')
}

function readList<T>(field: string, list: readonly string[] | undefined, read: (field: string, item: string) => T): readonly T[] {
  if (list === undefined) return []
  if (!Array.isArray(list)) throw invalidError(field, list, 'a list')
  return list.map((item: string, index) => read(`${field}[${index}]`, item))
}

function withoutCredentials(text: string): string {
  const url = URL.parse(text)
  if (url === null) return masking.text(text)
  url.username = ''
  url.password = ''
  return masking.text(url.href)
}

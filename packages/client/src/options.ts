import {
  type AttemptContext,
  type Balancer,
  type CallContext,
  type ClusterSource,
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  checkText,
  type Interceptor,
  invalid,
  type RetryPolicy,
} from '@sd/core'
import { createFetchTransport } from './fetch-transport.ts'
import { repickPolicy } from './repick.ts'
import type { Transport } from './transport.ts'
import { createUndiciTransport, type UndiciTransportOptions } from './undici-transport.ts'

/** Settings that every service may have of its own. */
export interface ServiceSettings {
  /**
   * Time limit of a call in milliseconds, from its start until its body has been read; 0 for none. The remaining time is sent along in
   * `x-request-timeout-ms`.
   *
   * @default 10_000
   */
  readonly timeoutMs?: number
  /** Header fields of every call. @default {} */
  readonly headers?: Readonly<Record<string, string>>
  /** Chooses endpoints. */
  readonly balancer?: Balancer
  /** Decides whether a call is tried again. @default another endpoint at once when a connection failed, 3 attempts in all */
  readonly retry?: RetryPolicy
}

/** Options of `createServiceClient`. */
export interface ServiceClientOptions extends ServiceSettings, UndiciTransportOptions {
  /** Where services are found, such as `createDiscovery(…)`. The client does not close it. */
  readonly discovery: ClusterSource
  /** Chooses endpoints, unless the service has a balancer of its own. */
  readonly balancer: Balancer
  /** Settings by service name; they win over those of the client, and header fields are merged. @default {} */
  readonly services?: Readonly<Record<string, ServiceSettings>>
  /** Wrap calls and attempts; the first of a list is the outermost. */
  readonly interceptors?: {
    /** Around every logical call. */
    readonly call?: readonly Interceptor<CallContext>[]
    /** Around every attempt. */
    readonly attempt?: readonly Interceptor<AttemptContext>[]
  }
  /** Most bytes that `json()`, `text()` and `bytes()` read of an answer. @default 16_777_216 (16 MiB) */
  readonly maxResponseBytes?: number
  /** How requests are sent. The client closes it. @default undici on Node, fetch elsewhere */
  readonly transport?: Transport
  /** How long `close()` waits for calls under way, in milliseconds. @default 5_000 */
  readonly closeTimeoutMs?: number
}

/** Settings of one service with everything filled in. */
export type ResolvedSettings = Required<ServiceSettings>

/** Options with their defaults filled in. */
export interface ResolvedOptions {
  /** See {@link ServiceClientOptions.discovery}. */
  readonly discovery: ClusterSource
  /** Settings of services that have none of their own. */
  readonly defaults: ResolvedSettings
  /** Settings of services that have. */
  readonly services: ReadonlyMap<string, ResolvedSettings>
  /** See {@link ServiceClientOptions.interceptors}. */
  readonly interceptors: Required<NonNullable<ServiceClientOptions['interceptors']>>
  /** See {@link ServiceClientOptions.maxResponseBytes}. */
  readonly maxResponseBytes: number
  /** See {@link ServiceClientOptions.transport}. */
  readonly transport: Transport
  /** See {@link ServiceClientOptions.closeTimeoutMs}. */
  readonly closeTimeoutMs: number
}

const settingKeys = ['timeoutMs', 'headers', 'balancer', 'retry'] as const
const connectionKeys = ['connections', 'keepAliveTimeoutMs', 'connectTimeoutMs', 'allowH2', 'decompress', 'dispatcher'] as const
const clientKeys = ['discovery', 'services', 'interceptors', 'maxResponseBytes', 'transport', 'closeTimeoutMs'] as const

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: ServiceClientOptions): ResolvedOptions {
  checkKnownKeys('', checkObject('options', options), [...clientKeys, ...settingKeys, ...connectionKeys])
  checkFunction('discovery.cluster', (checkObject('discovery', options.discovery) as unknown as ClusterSource).cluster)
  checkObject('balancer', options.balancer)
  const { call = [], attempt = [] } = checkInterceptors(options.interceptors ?? {})
  const headers = options.decompress === true ? { 'accept-encoding': 'gzip, deflate, br' } : {}
  const base: ResolvedSettings = { timeoutMs: 10_000, headers, balancer: options.balancer, retry: repickPolicy }
  const defaults = readSettings('', options, base)
  const services = new Map<string, ResolvedSettings>()
  for (const [service, settings] of Object.entries(checkObject('services', options.services ?? {}))) {
    const path = `services.${service}`
    checkKnownKeys(path, checkObject(path, settings), settingKeys)
    services.set(service, readSettings(`${path}.`, settings as ServiceSettings, defaults))
  }
  return {
    discovery: options.discovery,
    defaults,
    services,
    interceptors: { call, attempt },
    maxResponseBytes: checkInteger('maxResponseBytes', options.maxResponseBytes ?? 16_777_216, { min: 1, max: 2 ** 31 }),
    transport: options.transport ?? createTransport(options),
    closeTimeoutMs: checkDuration('closeTimeoutMs', options.closeTimeoutMs ?? 5_000),
  }
}

function readSettings(path: string, settings: ServiceSettings, base: ResolvedSettings): ResolvedSettings {
  const { balancer, retry } = settings
  if (balancer) checkFunction(`${path}balancer.createPicker`, balancer.createPicker)
  if (retry) checkFunction(`${path}retry.next`, retry.next)
  return {
    timeoutMs: settings.timeoutMs === undefined ? base.timeoutMs : checkDuration(`${path}timeoutMs`, settings.timeoutMs),
    headers: { ...base.headers, ...readHeaders(`${path}headers`, settings.headers ?? {}) },
    balancer: balancer ?? base.balancer,
    retry: retry ?? base.retry,
  }
}

/** Header fields with their names in lower case. @throws SdError `SD_INVALID` for a value that is no text on one line; it is not shown */
export function readHeaders(path: string, headers: Readonly<Record<string, string>>): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined) continue
    if (typeof value !== 'string') throw invalid(`${path}.${name}`, `a value of type ${typeof value}`, 'a string')
    fields[name.toLowerCase()] = value
  }
  return fields
}

function checkInterceptors(interceptors: NonNullable<ServiceClientOptions['interceptors']>): typeof interceptors {
  checkKnownKeys('interceptors', checkObject('interceptors', interceptors), ['call', 'attempt'])
  for (const kind of ['call', 'attempt'] as const) {
    for (const [index, interceptor] of (interceptors[kind] ?? []).entries()) {
      checkFunction(`interceptors.${kind}[${index}]`, interceptor)
    }
  }
  return interceptors
}

function createTransport(options: ServiceClientOptions): Transport {
  const { connections, keepAliveTimeoutMs, connectTimeoutMs, allowH2, decompress, dispatcher } = options
  if (connections !== undefined) checkInteger('connections', connections, { min: 1, max: 65_535 })
  if (keepAliveTimeoutMs !== undefined) checkDuration('keepAliveTimeoutMs', keepAliveTimeoutMs, 1)
  if (connectTimeoutMs !== undefined) checkDuration('connectTimeoutMs', connectTimeoutMs, 1)
  if (allowH2 !== undefined) checkBoolean('allowH2', allowH2)
  if (decompress !== undefined) checkBoolean('decompress', decompress)
  if (dispatcher !== undefined) checkFunction('dispatcher.dispatch', dispatcher.dispatch)
  // Bun has a stub in undici's place that can't dispatch; its own fetch is what works there, and in Deno likewise.
  const isNode =
    typeof process === 'object' && process.release?.name === 'node' && !('Bun' in globalThis) && !('Deno' in globalThis)
  return isNode || dispatcher ? createUndiciTransport(options) : createFetchTransport()
}

/** Checks a request's path. @throws SdError `SD_INVALID` if it doesn't begin with a slash */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && path.startsWith('/') && !path.includes('#')) return checkText('path', path, 65_536)
  throw invalid('path', path, 'a path that begins with a slash and has no fragment, such as /orders/1')
}

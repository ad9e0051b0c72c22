import {
  type AttemptContext,
  type Balancer,
  type CallContext,
  type ClusterSource,
  checkBoolean,
  checkClusterSource,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkObject,
  type Interceptor,
  invalidError,
} from '@sd/core'
import { checkHttp2Options } from '../http2/http2-options.ts'
import { createFetchTransport } from '../transport/fetch-transport.ts'
import { checkClientTls } from '../transport/tls-options.ts'
import type { Transport } from '../transport/transport.ts'
import { createUndiciTransport, type UndiciTransportOptions } from '../transport/undici-transport.ts'
import { type ClientSettings, settingKeys } from './settings.ts'

/** Options of `createServiceClient`. */
export interface ServiceClientOptions extends ClientSettings, UndiciTransportOptions {
  /** Finds services, such as `createDiscovery(…)`. The client does not close it. */
  readonly discovery: ClusterSource
  /** Picks endpoints, unless the service has its own balancer. */
  readonly balancer: Balancer
  /** Wrap calls and attempts. The first of each list is the outermost. */
  readonly interceptors?: {
    /** Around every logical call. */
    readonly call?: readonly Interceptor<CallContext>[]
    /** Around every attempt. */
    readonly attempt?: readonly Interceptor<AttemptContext>[]
  }
  /** Largest response body that `json()`, `text()` and `bytes()` read, in bytes. @default 16_777_216 (16 MiB) */
  readonly maxResponseBytes?: number
  /** Sends the requests. The client closes it. @default undici on Node, fetch elsewhere */
  readonly transport?: Transport
  /** How long `close()` waits for calls in progress, in milliseconds. @default 5_000 */
  readonly closeTimeoutMs?: number
  /**
   * A service that is not called for this time is forgotten, with the state of its policies, in milliseconds, accurate
   * to about a second. A name that never had an instance is forgotten after two seconds. A service is kept while a call
   * is in progress or its breaker is isolated. @default 600_000
   */
  readonly idleMs?: number
}

/** Options with their defaults filled in. */
export interface ResolvedClientOptions {
  /** See {@link ServiceClientOptions.discovery}. */
  readonly discovery: ClusterSource
  /** See {@link ServiceClientOptions.balancer}. */
  readonly balancer: Balancer
  /** Header fields of every call, in addition to those of the settings. */
  readonly headers: Readonly<Record<string, string>>
  /** Settings as given, for all services and by service. */
  readonly settings: ClientSettings
  /** See {@link ServiceClientOptions.interceptors}. */
  readonly interceptors: Required<NonNullable<ServiceClientOptions['interceptors']>>
  /** See {@link ServiceClientOptions.maxResponseBytes}. */
  readonly maxResponseBytes: number
  /** See {@link ServiceClientOptions.transport}. */
  readonly transport: Transport
  /** See {@link ServiceClientOptions.closeTimeoutMs}. */
  readonly closeTimeoutMs: number
  /** See {@link ServiceClientOptions.idleMs}. */
  readonly idleMs: number
}

const connectionKeys = [
  'connections',
  'keepAliveTimeoutMs',
  'connectTimeoutMs',
  'allowH2',
  'decompress',
  'dispatcher',
  'tls',
  'http2',
] as const
const clientKeys = ['discovery', 'services', 'interceptors', 'maxResponseBytes', 'transport', 'closeTimeoutMs', 'idleMs'] as const

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveClientOptions(options: ServiceClientOptions): ResolvedClientOptions {
  if (typeof checkObject('options', options)['cluster'] === 'function') {
    throw invalidError(
      'options',
      'a discovery',
      'an object with the option discovery: createServiceClient({ discovery, balancer })',
    )
  }
  checkKnownKeys('', options, [...clientKeys, ...settingKeys, ...connectionKeys])
  checkClusterSource('discovery', options.discovery)
  if (typeof options.balancer !== 'object') {
    throw invalidError('balancer', options.balancer, 'a balancer, such as createP2cBalancer() of @sd/balancer-p2c')
  }
  checkFunction('balancer.createPicker', checkObject('balancer', options.balancer)['createPicker'] as () => void)
  const { call = [], attempt = [] } = checkInterceptors(options.interceptors ?? {})
  const settings = Object.fromEntries(
    ([...settingKeys, 'services'] as const).flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])),
  ) as ClientSettings
  return {
    discovery: options.discovery,
    balancer: options.balancer,
    headers: options.decompress === true ? { 'accept-encoding': 'gzip, deflate, br' } : {},
    settings,
    interceptors: { call, attempt },
    maxResponseBytes: checkInteger('maxResponseBytes', options.maxResponseBytes ?? 16_777_216, { min: 1, max: 2 ** 31 }),
    transport: options.transport ?? createTransport(options),
    closeTimeoutMs: checkDuration('closeTimeoutMs', options.closeTimeoutMs ?? 5_000),
    idleMs: checkDuration('idleMs', options.idleMs ?? 600_000, 1),
  }
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
  const { connections, keepAliveTimeoutMs, connectTimeoutMs, allowH2, decompress, dispatcher, tls, http2 } = options
  if (connections !== undefined) checkInteger('connections', connections, { min: 1, max: 65_535 })
  if (keepAliveTimeoutMs !== undefined) checkDuration('keepAliveTimeoutMs', keepAliveTimeoutMs, 1)
  if (connectTimeoutMs !== undefined) checkDuration('connectTimeoutMs', connectTimeoutMs, 1)
  if (allowH2 !== undefined) checkBoolean('allowH2', allowH2)
  if (decompress !== undefined) checkBoolean('decompress', decompress)
  if (dispatcher !== undefined) checkFunction('dispatcher.dispatch', dispatcher.dispatch)
  if (tls !== undefined) checkClientTls('tls', tls)
  if (http2 !== undefined) checkHttp2Options('http2', http2)
  // Bun replaces undici with a stub that can't dispatch. Bun's and Deno's own fetch works.
  const isNode =
    typeof process === 'object' && process.release?.name === 'node' && !('Bun' in globalThis) && !('Deno' in globalThis)
  return isNode || dispatcher ? createUndiciTransport(options) : createFetchTransport()
}

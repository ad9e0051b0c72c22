import { checkProvided, checkSecret, checkServers, type Provided, type ServerAddress } from '@sd/adapter-kit'
import { checkDuration, checkInteger, checkName, invalidError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'

/** Options for connecting to Consul, which all packages for Consul share. */
export interface ConsulConnectionOptions {
  /**
   * Agents: `host:port`, or `https://host:port` for TLS. The first one that responds is used until it fails. @default
   * ['127.0.0.1:8500']
   */
  readonly servers?: readonly string[]
  /** Datacenter to query. @default the agent's */
  readonly datacenter?: string
  /** ACL token, sent as a header. A function is called again after the token is refused. */
  readonly token?: Provided<string>
  /** TLS with your own CA, or a client certificate. Requires `https://` servers. */
  readonly tls?: TlsOptions
  /** Maximum time that one blocking query waits for a change, in milliseconds, at least 100. @default 55_000 */
  readonly waitMs?: number
  /**
   * Maximum number of connections that wait for changes. An agent allows 200 per client address by default. @default
   * 128
   */
  readonly maxWatchConnections?: number
  /** Maximum number of connections for all other requests. @default 16 */
  readonly maxConnections?: number
  /** Time limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, to detect unknown ones. */
export const CONNECTION_OPTIONS = [
  'servers',
  'datacenter',
  'token',
  'tls',
  'waitMs',
  'maxWatchConnections',
  'maxConnections',
  'operationTimeoutMs',
] as const

/** Options with defaults applied. */
export interface ResolvedConsulConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Agents. */
  readonly servers: readonly ServerAddress[]
  /** Datacenter, if it differs from the agent's. */
  readonly datacenter: string | undefined
  /** ACL token. */
  readonly token: Provided<string> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Maximum time that one blocking query waits, in milliseconds. */
  readonly waitMs: number
  /** Maximum number of connections that wait for changes. */
  readonly maxWatchConnections: number
  /** Maximum number of connections for all other requests. */
  readonly maxConnections: number
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

const connections = { min: 1, max: 10_000 }

/**
 * Validates options and applies defaults. @param name the owner, for messages @throws SdError `SD_INVALID` that names
 * the option
 */
export function resolveConsulConnectionOptions(options: ConsulConnectionOptions, name: string): ResolvedConsulConnectionOptions {
  const { token, datacenter } = options
  return {
    name,
    ...checkServers(options, { host: '127.0.0.1', port: 8_500 }),
    datacenter: datacenter === undefined ? undefined : checkName('datacenter', datacenter),
    token: token === undefined ? undefined : checkProvided(token, (value) => checkSecret('token', value)),
    waitMs: checkInteger('waitMs', options.waitMs ?? 55_000, { min: 100, max: 600_000 }),
    maxWatchConnections: checkInteger('maxWatchConnections', options.maxWatchConnections ?? 128, connections),
    maxConnections: checkInteger('maxConnections', options.maxConnections ?? 16, connections),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

/** Checks a prefix of keys. @throws SdError `SD_INVALID` */
export function checkPrefix(value: unknown): string {
  const prefix = checkName('prefix', value, 1_024)
  if (prefix.startsWith('/') || prefix.endsWith('/'))
    throw invalidError('prefix', prefix, 'a path without leading and trailing slashes')
  return prefix
}

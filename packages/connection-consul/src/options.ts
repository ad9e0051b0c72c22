import { checkProvided, checkSecret, checkServers, type Provided, type ServerAddress } from '@sd/adapter-kit'
import { checkDuration, checkInteger, checkName, invalidError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'

/** How to reach Consul: options that every package on it has. */
export interface ConsulConnectionOptions {
  /** Agents: `host:port`, or `https://host:port` for TLS. The first that answers is used until it fails. @default ['127.0.0.1:8500'] */
  readonly servers?: readonly string[]
  /** Datacenter to ask. @default that of the agent */
  readonly datacenter?: string
  /** ACL token, sent as a header; a function is asked again once the token is refused. */
  readonly token?: Provided<string>
  /** TLS with an authority of your own, or a client certificate. Servers must be `https://`. */
  readonly tls?: TlsOptions
  /** Longest time that one blocking query waits for a change, in milliseconds, at least 100. @default 55_000 */
  readonly waitMs?: number
  /** Most connections that wait for changes at once; an agent allows 200 per client address by default. @default 128 */
  readonly maxWatchConnections?: number
  /** Most connections for everything else. @default 16 */
  readonly maxConnections?: number
  /** Limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, for checks of unknown ones. */
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

/** Options with their defaults filled in. */
export interface ResolvedConsulConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Agents. */
  readonly servers: readonly ServerAddress[]
  /** Datacenter, if it is another than the agent's. */
  readonly datacenter: string | undefined
  /** ACL token. */
  readonly token: Provided<string> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Longest time that one blocking query waits, in milliseconds. */
  readonly waitMs: number
  /** Most connections that wait for changes. */
  readonly maxWatchConnections: number
  /** Most connections for everything else. */
  readonly maxConnections: number
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

const connections = { min: 1, max: 10_000 }

/** Checks the options of a connection. @param name the owner, for messages @throws SdError `SD_INVALID` that names the option */
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

/** Checks a path that keys begin with. @throws SdError `SD_INVALID` */
export function checkPrefix(value: unknown): string {
  const prefix = checkName('prefix', value, 1_024)
  if (prefix.startsWith('/') || prefix.endsWith('/')) throw invalidError('prefix', prefix, 'a path without a slash at its ends')
  return prefix
}

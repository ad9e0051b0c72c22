import {
  type Credentials,
  checkCredentials,
  checkProvided,
  checkServers,
  type Provided,
  type ServerAddress,
} from '@sd/adapter-kit'
import { checkDuration, checkName, invalidError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'

/** How to reach etcd: options that every package on it has. */
export interface EtcdConnectionOptions {
  /** Members of the cluster: `host:port`, or `https://host:port` for TLS. @default ['127.0.0.1:2379'] */
  readonly servers?: readonly string[]
  /** User and password, where the cluster has auth enabled; a function is asked again at every login. */
  readonly credentials?: Provided<Credentials>
  /** TLS with an authority of your own, or a client certificate. Servers must be `https://`. */
  readonly tls?: TlsOptions
  /** Limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, for checks of unknown ones. */
export const CONNECTION_OPTIONS = ['servers', 'credentials', 'tls', 'operationTimeoutMs'] as const

/** Options with their defaults filled in. */
export interface ResolvedEtcdConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Members of the cluster. */
  readonly servers: readonly ServerAddress[]
  /** User and password. */
  readonly credentials: Provided<Credentials> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** What keys of the owner begin with, for messages. */
  readonly prefix?: string
}

/** Checks the options of a connection. @param name the owner, for messages @throws SdError `SD_INVALID` that names the option */
export function resolveEtcdConnectionOptions(options: EtcdConnectionOptions, name: string): ResolvedEtcdConnectionOptions {
  const { credentials } = options
  return {
    name,
    ...checkServers(options, { host: '127.0.0.1', port: 2_379 }),
    credentials: credentials && checkProvided(credentials, (value) => checkCredentials('credentials', value)),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

/** Checks a path that keys begin with. @throws SdError `SD_INVALID` */
export function checkPrefix(value: unknown): string {
  const prefix = checkName('prefix', value, 1_024)
  if (prefix.endsWith('/')) throw invalidError('prefix', prefix, 'a path without a slash at its end')
  return prefix
}

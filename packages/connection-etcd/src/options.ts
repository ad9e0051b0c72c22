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

/** Options for connecting to etcd, which all packages for etcd share. */
export interface EtcdConnectionOptions {
  /** Members of the cluster: `host:port`, or `https://host:port` for TLS. @default ['127.0.0.1:2379'] */
  readonly servers?: readonly string[]
  /** User and password, if the cluster has auth enabled. A function is called again for each login. */
  readonly credentials?: Provided<Credentials>
  /** TLS with your own CA, or a client certificate. Requires `https://` servers. */
  readonly tls?: TlsOptions
  /** Time limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, to detect unknown ones. */
export const CONNECTION_OPTIONS = ['servers', 'credentials', 'tls', 'operationTimeoutMs'] as const

/** Options with defaults applied. */
export interface ResolvedEtcdConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Members of the cluster. */
  readonly servers: readonly ServerAddress[]
  /** User and password. */
  readonly credentials: Provided<Credentials> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Prefix of the owner's keys, for messages. */
  readonly prefix?: string
}

/**
 * Validates options and applies defaults. @param name the owner, for messages @throws SdError `SD_INVALID` that names
 * the option
 */
export function resolveEtcdConnectionOptions(options: EtcdConnectionOptions, name: string): ResolvedEtcdConnectionOptions {
  const { credentials } = options
  return {
    name,
    ...checkServers(options, { host: '127.0.0.1', port: 2_379 }),
    credentials: credentials && checkProvided(credentials, (value) => checkCredentials('credentials', value)),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

/** Checks a prefix of keys. @throws SdError `SD_INVALID` */
export function checkPrefix(value: unknown): string {
  const prefix = checkName('prefix', value, 1_024)
  if (prefix.endsWith('/')) throw invalidError('prefix', prefix, 'a path without a trailing slash')
  return prefix
}

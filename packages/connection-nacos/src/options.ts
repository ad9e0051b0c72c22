import {
  type Credentials,
  checkCredentials,
  checkProvided,
  checkServers,
  type Provided,
  type ServerAddress,
} from '@sd/adapter-kit'
import { checkDuration, checkOneOf, invalidError } from '@sd/core'
import type { TlsOptions } from '@sd/tls'

/** Options for connecting to Nacos, which all packages for Nacos share. */
export interface NacosConnectionOptions {
  /** Servers of one Nacos: `host:port`, or `https://host:port` for TLS. @default ['127.0.0.1:8848'] */
  readonly servers?: readonly string[]
  /**
   * API to use: `v1` is the SDK's (servers before 3.2), `v3` is `/nacos/v3/client` (servers from 3.0), `auto` detects
   * it at first use and prefers v1.
   *
   * @default 'auto'
   */
  readonly api?: 'auto' | 'v1' | 'v3'
  /** Id of the namespace (tenant), not its display name. @default 'public' */
  readonly namespace?: string
  /** User and password, if the server has auth enabled. A function is called again for each login. */
  readonly credentials?: Provided<Credentials>
  /** TLS with your own CA, or a client certificate. Requires `https://` servers. */
  readonly tls?: TlsOptions
  /** Time limit of one operation, in milliseconds, shared by all servers. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, to detect unknown ones. */
export const CONNECTION_OPTIONS = ['servers', 'api', 'namespace', 'credentials', 'tls', 'operationTimeoutMs'] as const

/** Options with defaults applied. */
export interface ResolvedNacosConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Servers. */
  readonly servers: readonly ServerAddress[]
  /** API to use. */
  readonly api: 'auto' | 'v1' | 'v3'
  /** Id of the namespace. */
  readonly namespace: string
  /** User and password. */
  readonly credentials: Provided<Credentials> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

/**
 * Validates options and applies defaults. @param name the owner, for messages @throws SdError `SD_INVALID` that names
 * the option
 */
export function resolveNacosConnectionOptions(options: NacosConnectionOptions, name: string): ResolvedNacosConnectionOptions {
  const { credentials } = options
  return {
    name,
    ...checkServers(options, { host: '127.0.0.1', port: 8_848 }),
    api: checkOneOf('api', options.api ?? 'auto', ['auto', 'v1', 'v3']),
    namespace: checkLabel('namespace', options.namespace ?? 'public'),
    credentials: credentials && checkProvided(credentials, (value) => checkCredentials('credentials', value)),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

/** Checks the id of a namespace or a cluster. @throws SdError `SD_INVALID` that names the field */
export function checkLabel(field: string, value: unknown): string {
  return checkPattern(field, value, /^[\w-]{1,64}$/, 'at most 64 letters, digits, "_" and "-"')
}

/** Checks the name of a group. @throws SdError `SD_INVALID` that names the field */
export function checkGroup(field: string, value: unknown): string {
  return checkPattern(field, value, /^[\w:.-]{1,128}$/, 'at most 128 letters, digits, "_", "-", ":" and "."')
}

function checkPattern(field: string, value: unknown, pattern: RegExp, want: string): string {
  if (typeof value === 'string' && pattern.test(value)) return value
  throw invalidError(field, value, want)
}

import {
  type Credentials,
  checkCredentials,
  checkProvided,
  checkServers,
  type Provided,
  type ServerAddress,
} from '@sd/adapter-kit'
import { checkBoolean, checkDuration, checkOneOf, invalidError } from '@sd/core'
import { checkTls, type TlsOptions } from '@sd/tls'

/** An API of Nacos. */
export type NacosApiName = 'grpc' | 'v1' | 'v3'

/** Options for connecting to Nacos, which all packages for Nacos share. */
export interface NacosConnectionOptions {
  /** Servers of one Nacos: `host:port`, or `https://host:port` for TLS. @default ['127.0.0.1:8848'] */
  readonly servers?: readonly string[]
  /**
   * API to use: `grpc` with push (servers from 2.0), `v1` is the SDK's over HTTP (servers before 3.2), `v3` is
   * `/nacos/v3/client` over HTTP (servers from 3.0), `auto` detects it at first use and prefers them in this order.
   *
   * @default 'auto'
   */
  readonly api?: 'auto' | NacosApiName
  /** What a server's gRPC port is above its HTTP port. @default 1_000 */
  readonly grpcPortOffset?: number
  /**
   * Whether gRPC uses TLS. Set it if it differs from HTTP: `true` with `http` servers for a server's own TLS
   * (`nacos.remote.server.rpc.tls.enableTls`), which its HTTP port does not have. @default whether `servers` are `https://`
   */
  readonly grpcTls?: boolean
  /** Id of the namespace (tenant), not its display name. @default 'public' */
  readonly namespace?: string
  /** User and password, if the server has auth enabled. A function is called again for each login. */
  readonly credentials?: Provided<Credentials>
  /** TLS with your own CA, or a client certificate. Requires `https://` servers or `grpcTls`. */
  readonly tls?: TlsOptions
  /** Time limit of one operation, in milliseconds, shared by all servers. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, to detect unknown ones. */
export const CONNECTION_OPTIONS = [
  'servers',
  'api',
  'grpcPortOffset',
  'grpcTls',
  'namespace',
  'credentials',
  'tls',
  'operationTimeoutMs',
] as const

/** Options with defaults applied. */
export interface ResolvedNacosConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Servers. */
  readonly servers: readonly ServerAddress[]
  /** API to use. */
  readonly api: 'auto' | NacosApiName
  /** What a server's gRPC port is above its HTTP port. */
  readonly grpcPortOffset: number
  /** Whether gRPC uses TLS. */
  readonly grpcTls: boolean
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
  const { credentials, tls } = options
  const wantsGrpcTls = options.grpcTls === undefined ? undefined : checkBoolean('grpcTls', options.grpcTls)
  // With TLS for gRPC alone, the certificates need no `https://` servers.
  const { tls: _, ...withoutTls } = options
  const { servers } = checkServers(wantsGrpcTls ? withoutTls : options, { host: '127.0.0.1', port: 8_848 })
  return {
    name,
    servers,
    tls: tls && checkTls('tls', tls),
    grpcTls: wantsGrpcTls ?? servers[0]?.secure === true,
    api: checkOneOf('api', options.api ?? 'auto', ['auto', 'grpc', 'v1', 'v3']),
    grpcPortOffset: checkPortOffset(options.grpcPortOffset ?? 1_000),
    namespace: checkLabel('namespace', options.namespace ?? 'public'),
    credentials: credentials && checkProvided(credentials, (value) => checkCredentials('credentials', value)),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

function checkPortOffset(value: unknown): number {
  if (Number.isInteger(value) && Math.abs(value as number) <= 65_534) return value as number
  throw invalidError('grpcPortOffset', value, 'an integer between -65534 and 65534')
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

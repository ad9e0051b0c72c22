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
import { type AccessRule, checkAccessRules } from './access.ts'

/** How to reach ZooKeeper: options that every package on it has. */
export interface ZooKeeperConnectionOptions {
  /** Members of the ensemble: `host:port`, or `https://host:port` for TLS at its `secureClientPort`; one is used at a time. @default ['127.0.0.1:2181'] */
  readonly servers?: readonly string[]
  /** Path put before everything, such as `/team-a`. It must exist; nothing above or outside of it is touched. @default none */
  readonly chroot?: string
  /**
   * Lifetime of the session after the last sign of life, and so of its ephemeral nodes, in milliseconds. The server may change it to what it
   * allows, by default 4 to 40 s.
   *
   * @default 15_000
   */
  readonly sessionTimeoutMs?: number
  /** User and password for the `digest` scheme. A function is asked at every connect and after every denial. */
  readonly credentials?: Provided<Credentials>
  /** TLS with an authority of your own, or a client certificate. Servers must be `https://`. */
  readonly tls?: TlsOptions
  /** Who may do what with nodes that are created. @default everything for this user only; without credentials for everybody */
  readonly acl?: readonly AccessRule[]
  /** Limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, for checks of unknown ones. */
export const CONNECTION_OPTIONS = [
  'servers',
  'chroot',
  'sessionTimeoutMs',
  'credentials',
  'tls',
  'acl',
  'operationTimeoutMs',
] as const

/** Options with their defaults filled in. */
export interface ResolvedZooKeeperConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Members of the ensemble. */
  readonly servers: readonly ServerAddress[]
  /** Path that must exist; empty for the root. */
  readonly chroot: string
  /** Wanted lifetime of the session, in milliseconds. */
  readonly sessionTimeoutMs: number
  /** User and password. */
  readonly credentials: Provided<Credentials> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Who may do what with new nodes. */
  readonly acl: readonly AccessRule[] | undefined
  /** Limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

/** Checks the options of a connection. @param name the owner, for messages @throws SdError `SD_INVALID` that names the option */
export function resolveZooKeeperConnectionOptions(
  options: ZooKeeperConnectionOptions,
  name: string,
): ResolvedZooKeeperConnectionOptions {
  const { chroot, credentials, acl } = options
  return {
    name,
    ...checkServers(options, { host: '127.0.0.1', port: 2_181 }),
    chroot: chroot === undefined ? '' : checkPath('chroot', chroot),
    sessionTimeoutMs: checkDuration('sessionTimeoutMs', options.sessionTimeoutMs ?? 15_000, 100),
    credentials: credentials && checkProvided(credentials, checkLogin),
    acl: acl && checkAccessRules('acl', acl),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
  }
}

/**
 * Checks a user and password for the digest scheme, which sends `user:password`: a colon in the name would move the border.
 *
 * @throws SdError `SD_INVALID` that shows neither
 */
export function checkLogin(value: unknown): Credentials {
  const credentials = checkCredentials('credentials', value)
  if (credentials.username.includes(':')) throw invalidError('credentials.username', 'a text with ":"', 'a name without a colon')
  return credentials
}

// What ZooKeeper refuses in a path: empty, `.` and `..` elements, and these characters besides control characters.
const segment = /^(?!\.{1,2}$)[^/\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]+$/

/** Checks a path of a node. @throws SdError `SD_INVALID` */
export function checkPath(field: string, value: unknown): string {
  const path = checkName(field, value, 1_024)
  const [first, ...segments] = path.split('/')
  if (first === '' && segments.length > 0 && segments.every((one) => segment.test(one))) return path
  throw invalidError(field, path, 'a path such as "/a/b" that begins with a slash and does not end with one')
}

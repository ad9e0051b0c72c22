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

/** Options for connecting to ZooKeeper, which all packages for ZooKeeper share. */
export interface ZooKeeperConnectionOptions {
  /**
   * Members of the ensemble: `host:port`, or `https://host:port` for TLS on its `secureClientPort`. One is used at a
   * time. @default ['127.0.0.1:2181']
   */
  readonly servers?: readonly string[]
  /** Prefix of all paths, such as `/team-a`. It must exist; nothing outside of it is changed. @default none */
  readonly chroot?: string
  /**
   * Time to live of the session, and its ephemeral nodes, after the last contact, in milliseconds. The server may limit
   * it, by default to 4 to 40 s.
   *
   * @default 15_000
   */
  readonly sessionTimeoutMs?: number
  /** User and password for the `digest` scheme. A function is called for each connection and after each denial. */
  readonly credentials?: Provided<Credentials>
  /** TLS with your own CA, or a client certificate. Requires `https://` servers. */
  readonly tls?: TlsOptions
  /** Access list of created nodes. @default full access for this user only; without credentials, for everyone */
  readonly acl?: readonly AccessRule[]
  /** Time limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Names of the options of a connection, to detect unknown ones. */
export const CONNECTION_OPTIONS = [
  'servers',
  'chroot',
  'sessionTimeoutMs',
  'credentials',
  'tls',
  'acl',
  'operationTimeoutMs',
] as const

/** Options with defaults applied. */
export interface ResolvedZooKeeperConnectionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** Members of the ensemble. */
  readonly servers: readonly ServerAddress[]
  /** Path that must exist; empty for the root. */
  readonly chroot: string
  /** Requested time to live of the session, in milliseconds. */
  readonly sessionTimeoutMs: number
  /** User and password. */
  readonly credentials: Provided<Credentials> | undefined
  /** Certificates. */
  readonly tls: TlsOptions | undefined
  /** Access list of new nodes. */
  readonly acl: readonly AccessRule[] | undefined
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
}

/**
 * Validates options and applies defaults. @param name the owner, for messages @throws SdError `SD_INVALID` that names
 * the option
 */
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
 * Checks a user and password for the digest scheme. It sends `user:password`, so a colon in the name would be
 * ambiguous.
 *
 * @throws SdError `SD_INVALID` that shows neither
 */
export function checkLogin(value: unknown): Credentials {
  const credentials = checkCredentials('credentials', value)
  if (credentials.username.includes(':')) throw invalidError('credentials.username', 'a name with ":"', 'a name without a colon')
  return credentials
}

// A valid path element. ZooKeeper refuses empty, `.` and `..` elements, and these characters and control characters.
const segment = /^(?!\.{1,2}$)[^/\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]+$/

/** Checks a path of a node. @throws SdError `SD_INVALID` */
export function checkPath(field: string, value: unknown): string {
  const path = checkName(field, value, 1_024)
  const [first, ...segments] = path.split('/')
  if (first === '' && segments.length > 0 && segments.every((one) => segment.test(one))) return path
  throw invalidError(field, path, 'a path such as "/a/b" that starts with a slash and does not end with one')
}

import {
  type Credentials,
  checkBoolean,
  checkCredentials,
  checkDuration,
  checkEndpoints,
  checkKnownKeys,
  checkName,
  checkObject,
  checkProvided,
  invalid,
  type Provided,
  type ServerEndpoint,
} from '@sd/core'

/** Options of `createZooKeeperRegistry`. */
export interface ZooKeeperRegistryOptions {
  /** Members of the ensemble as `host:port`; one is used at a time. There is no TLS in the library. @default ['127.0.0.1:2181'] */
  readonly endpoints?: readonly string[]
  /** Path of the services; nodes are `<prefix>/<service>/<instance id>`. It is created where it is missing. @default '/sd/services' */
  readonly prefix?: string
  /** Path put before everything, such as `/team-a`. It must exist; nothing above or outside of it is touched. @default none */
  readonly chroot?: string
  /**
   * Lifetime of the session, and so of all instances, after the last sign of life, in milliseconds. The server may change it to what it
   * allows, by default 4 to 40 s.
   *
   * @default 15_000
   */
  readonly sessionTimeoutMs?: number
  /**
   * User and password for the `digest` scheme. Nodes are then created for this user only. A function is asked at every connect and after
   * every denial.
   */
  readonly credentials?: Provided<Credentials>
  /** Limit of one operation, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Whether instances are registered; `false` finds only, for a program that runs beside a shared registry. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'zookeeper' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ZooKeeperSettings {
  readonly endpoints: readonly ServerEndpoint[]
  /** Path that must exist; empty for the root. */
  readonly chroot: string
  /** Full path of the services, chroot included. */
  readonly root: string
  readonly sessionTimeoutMs: number
  readonly credentials: Provided<Credentials> | undefined
  readonly operationTimeoutMs: number
  readonly enabled: boolean
  readonly name: string
}

const keys = [
  'endpoints',
  'prefix',
  'chroot',
  'sessionTimeoutMs',
  'credentials',
  'operationTimeoutMs',
  'enabled',
  'name',
] as const satisfies readonly (keyof ZooKeeperRegistryOptions)[]

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: ZooKeeperRegistryOptions): ZooKeeperSettings {
  checkKnownKeys('', checkObject('options', options), keys)
  const { credentials } = options
  const endpoints = checkEndpoints('endpoints', options.endpoints ?? ['127.0.0.1:2181'], 2_181)
  if (endpoints.some(({ secure }) => secure)) {
    throw invalid('endpoints', 'https', 'host:port: the library has no TLS, see the README for a tunnel')
  }
  const chroot = options.chroot === undefined ? '' : checkPath('chroot', options.chroot)
  return {
    endpoints,
    chroot,
    root: chroot + checkPath('prefix', options.prefix ?? '/sd/services'),
    sessionTimeoutMs: checkDuration('sessionTimeoutMs', options.sessionTimeoutMs ?? 15_000, 100),
    credentials: credentials && checkProvided(credentials, checkLogin),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
    enabled: checkBoolean('enabled', options.enabled ?? true),
    name: checkName('name', options.name ?? 'zookeeper'),
  }
}

/**
 * Checks a user and password for the digest scheme, which sends `user:password`: a colon in the name would move the border.
 *
 * @throws SdError `SD_INVALID` that shows neither
 */
export function checkLogin(value: unknown): Credentials {
  const credentials = checkCredentials('credentials', value)
  if (credentials.username.includes(':')) throw invalid('credentials.username', 'a text with ":"', 'a name without a colon')
  return credentials
}

// What ZooKeeper refuses in a path: empty, `.` and `..` elements, and these characters besides control characters.
const segment = /^(?!\.{1,2}$)[^/\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]+$/

function checkPath(field: string, value: unknown): string {
  const path = checkName(field, value, 1_024)
  const [first, ...segments] = path.split('/')
  if (first === '' && segments.length > 0 && segments.every((one) => segment.test(one))) return path
  throw invalid(field, path, 'a path such as "/a/b" that begins with a slash and does not end with one')
}

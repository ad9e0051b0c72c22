import {
  type Credentials,
  checkBoolean,
  checkCredentials,
  checkDuration,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  checkProvided,
  checkServers,
  invalid,
  type Provided,
  type ServerEndpoint,
  type TlsOptions,
} from '@sd/core'

/** Options of `createNacosRegistry`. */
export interface NacosRegistryOptions {
  /** Servers of one Nacos: `host:port`, or `https://host:port` for TLS. @default ['127.0.0.1:8848'] */
  readonly endpoints?: readonly string[]
  /**
   * Which API of the server to use: `v1` is the SDK's (servers before 3.2), `v3` is `/nacos/v3/client` (servers from 3.0), `auto` asks the
   * server at first use and prefers v1.
   *
   * @default 'auto'
   */
  readonly api?: 'auto' | 'v1' | 'v3'
  /** Id of the namespace (tenant), which is not its display name. @default 'public' */
  readonly namespace?: string
  /** Group of all services. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /** Cluster that instances are registered in. @default 'DEFAULT' */
  readonly cluster?: string
  /** Clusters whose instances are found. @default all */
  readonly clusters?: readonly string[]
  /** Lifetime without a heartbeat for instances that name none, in milliseconds. Heartbeats are sent every third of it. @default 15_000 */
  readonly ttlMs?: number
  /** How often a watched service, and the set of services, is asked for, in milliseconds; spread by 10 %. @default 1_000 */
  readonly refreshIntervalMs?: number
  /** Whether instances stay until they are deregistered, without heartbeats; Nacos then checks them itself. @default false */
  readonly persistent?: boolean
  /** Whether services are listed through the admin API of Nacos 3, which by default wants an administrator's credentials. @default false */
  readonly adminApi?: boolean
  /** User and password, where the server has auth enabled; a function is asked again at every login. */
  readonly credentials?: Provided<Credentials>
  /** TLS with an authority of your own, or a client certificate. Endpoints must be `https://`. */
  readonly tls?: TlsOptions
  /** Limit of one operation, in milliseconds; several endpoints share it. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Whether instances are registered; `false` finds only, for a program that runs beside a shared registry. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'nacos' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface NacosSettings {
  readonly endpoints: readonly ServerEndpoint[]
  readonly api: 'auto' | 'v1' | 'v3'
  readonly namespace: string
  readonly group: string
  readonly cluster: string
  readonly clusters: readonly string[]
  readonly ttlMs: number
  readonly refreshIntervalMs: number
  readonly persistent: boolean
  readonly adminApi: boolean
  readonly credentials: Provided<Credentials> | undefined
  readonly tls: TlsOptions | undefined
  readonly operationTimeoutMs: number
  readonly enabled: boolean
  readonly name: string
}

const keys = [
  'endpoints',
  'api',
  'namespace',
  'group',
  'cluster',
  'clusters',
  'ttlMs',
  'refreshIntervalMs',
  'persistent',
  'adminApi',
  'credentials',
  'tls',
  'operationTimeoutMs',
  'enabled',
  'name',
]

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: NacosRegistryOptions): NacosSettings {
  checkKnownKeys('', checkObject('options', options), keys)
  const { credentials } = options
  return {
    ...checkServers(options, { host: '127.0.0.1', port: 8_848 }),
    api: checkOneOf('api', options.api ?? 'auto', ['auto', 'v1', 'v3']),
    namespace: checkPart('namespace', options.namespace ?? 'public', /^[\w-]{1,64}$/, 'letters, digits, _ and -, at most 64'),
    group: checkPart('group', options.group ?? 'DEFAULT_GROUP', /^[\w:.-]{1,128}$/, 'letters, digits, _ - : and ., at most 128'),
    cluster: checkCluster('cluster', options.cluster ?? 'DEFAULT'),
    clusters: checkClusters(options.clusters ?? []),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    refreshIntervalMs: checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? 1_000, 50),
    persistent: checkBoolean('persistent', options.persistent ?? false),
    adminApi: checkBoolean('adminApi', options.adminApi ?? false),
    credentials: credentials && checkProvided(credentials, (value) => checkCredentials('credentials', value)),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 100),
    enabled: checkBoolean('enabled', options.enabled ?? true),
    name: checkName('name', options.name ?? 'nacos'),
  }
}

function checkPart(field: string, value: unknown, pattern: RegExp, want: string): string {
  if (typeof value === 'string' && pattern.test(value)) return value
  throw invalid(field, value, want)
}

function checkCluster(field: string, value: unknown): string {
  return checkPart(field, value, /^[\w-]{1,64}$/, 'letters, digits, _ and -, at most 64')
}

function checkClusters(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > 64) throw invalid('clusters', value, 'an array of at most 64 clusters')
  return value.map((one, index) => checkCluster(`clusters[${index}]`, one))
}

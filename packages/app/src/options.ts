import type { ServiceClientOptions, ServiceSettings } from '@sd/client'
import type { ConfigOptions, ConfigSourceOptions } from '@sd/config'
import {
  type AttemptContext,
  type ConfigSource,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  checkText,
  guardListener,
  type InstanceSpec,
  type Interceptor,
  invalidError,
  type Registry,
  type SdError,
} from '@sd/core'
import type { DiscoveryOptions } from '@sd/discovery'
import type { OwnHealthCheck } from '@sd/health'
import type { LifecycleOptions, LifecycleServer } from '@sd/lifecycle'
import type { RegistryConfig } from '@sd/registry'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type AppAdminOptions, checkAdmin } from './admin-options.ts'

/** Where configuration comes from. Later ones win: defaults, files, the environment, centers. */
export interface AppConfigOptions<Schema extends StandardSchemaV1 = StandardSchemaV1>
  extends Omit<ConfigOptions<Schema>, 'sources' | 'closeSources'> {
  /** Paths of files, lowest first. A file that does not exist is empty. @default none */
  readonly file?: string | readonly string[]
  /** Prefix of the environment variables, such as `ORDERS_`; `false` for none. @default the service's name in upper case and `_` */
  readonly env?: string | false
  /**
   * Configuration centers, lowest first, also as `{ source, at }` to place one below a path. They belong to the application, which closes them.
   *
   * @default none
   */
  readonly center?: ConfigSource | ConfigSourceOptions | readonly (ConfigSource | ConfigSourceOptions)[]
  /**
   * Path under which the application finds its own settings, which it follows while it runs: `registry` (a URL), `client` (a settings document of
   * `@sd/client`, with `services` and `discovery`). `false`: it follows nothing. @default 'sd'
   */
  readonly settingsAt?: string | false
}

/** Metrics, such as what `createMetrics()` of `@sd/metrics-prometheus` returns. */
export interface AppMetrics {
  /** Answers a scrape of `node:http`, Express and the like. */
  readonly handler: (request: never, response: never) => unknown
  /** Answers a scrape of a server of fetch style. Without it such servers have no metrics. */
  readonly respond?: (request: never) => Promise<Response>
  /** Called when the application has closed. */
  close?(): unknown
}

/** Traces, such as what `createTracing()` of `@sd/tracing-opentelemetry` returns. */
export interface AppTracing {
  /** Interceptor of calls. */
  readonly call: Interceptor
  /** Interceptor of attempts. */
  readonly attempt: Interceptor<AttemptContext>
  /** Called when the application has closed. */
  close?(): unknown
}

/** Logging, such as what `createServiceLogging()` of `@sd/logging` or `@sd/logging-pino` returns. */
export interface AppLogging {
  /** Interceptor of calls. */
  readonly interceptor: Interceptor
  /** Called when the application has closed. */
  close?(): unknown
}

/** What is registered, besides the service and its version. */
export type AppInstance = Partial<Omit<InstanceSpec, 'service' | 'version'>>

/** Options of {@link createApp}. */
export interface AppOptions<Schema extends StandardSchemaV1 = StandardSchemaV1> {
  /** Name of the service, under which its instances are registered. */
  readonly service: string
  /** Version of this instance. @default none */
  readonly version?: string
  /** More of the instance: `address`, `tags`, `metadata`, `weight`, … @default the address that others reach, see `advertisedAddress` of `@sd/lifecycle` */
  readonly instance?: AppInstance
  /**
   * A URL such as `consul://10.0.0.1:8500`, an object for `createRegistry` of `@sd/registry`, or a registry of your own, which stays open when the
   * application closes. @default a registry in the memory of this process, with a process warning
   */
  readonly registry?: string | RegistryConfig | Registry
  /** The server to register and to drain. @default none: given to {@link App.start}, or the application only calls */
  readonly server?: LifecycleServer
  /** Configuration. @default none */
  readonly config?: AppConfigOptions<Schema>
  /** Settings of calls, and by service in `services`. They win over those of `resilient()`; settings that are followed win over them. @default {} */
  readonly client?: ServiceSettings & Pick<ServiceClientOptions, 'services' | 'transport' | 'maxResponseBytes' | 'closeTimeoutMs'>
  /** Options of discovery. @default those of `@sd/discovery` with outlier detection */
  readonly discovery?: Omit<DiscoveryOptions, 'source' | 'onError'>
  /**
   * Services that it calls. Its instance declares them, and health reports whether they can be called; readiness does not
   * depend on it. @default []
   */
  readonly needs?: readonly string[]
  /** Metrics, served at `metricsPath`. @default none */
  readonly metrics?: AppMetrics
  /** Path at which metrics are served. @default '/metrics' */
  readonly metricsPath?: string
  /**
   * The admin endpoint of `@sd/admin`, on a port of its own that is registered with the instance as `sd-admin`. `true`: on this machine only, and
   * nothing can be changed. @default none
   */
  readonly admin?: boolean | AppAdminOptions
  /** Traces of calls. @default none */
  readonly tracing?: AppTracing
  /** Lines for calls. @default none */
  readonly logging?: AppLogging
  /** Checks of the process itself, for readiness and liveness, see `createHealthReporter` of `@sd/health`. @default [] */
  readonly health?: readonly OwnHealthCheck[]
  /** How it starts and ends: delays, limits, signals, paths. @default those of `@sd/lifecycle` */
  readonly lifecycle?: Pick<
    LifecycleOptions,
    | 'startTimeoutMs'
    | 'propagationDelayMs'
    | 'drainTimeoutMs'
    | 'stepTimeoutMs'
    | 'beforeDrain'
    | 'signals'
    | 'exit'
    | 'livePath'
    | 'readyPath'
  >
  /** What to end after the server and before the client, such as a database, one after the other. @default [] */
  readonly onClose?: readonly (() => unknown)[]
  /**
   * How long both registries are used after a change of provider, in milliseconds: long enough for every process to receive the change. @default 60_000
   */
  readonly registryOverlapMs?: number
  /** Receives errors while it runs: rejected settings, a failed change of the registry, a failed step of the end. @default a process warning */
  readonly onError?: (error: SdError) => void
}

/** Options with their defaults filled in. */
export interface ResolvedAppOptions {
  readonly service: string
  readonly config: AppConfigOptions | undefined
  readonly settingsAt: string | undefined
  readonly metricsPath: string
  readonly livePath: string
  readonly readyPath: string
  readonly registryOverlapMs: number
  readonly stepTimeoutMs: number
  readonly onError: (error: SdError) => void
}

const keys = [
  'service',
  'version',
  'instance',
  'registry',
  'server',
  'config',
  'client',
  'discovery',
  'needs',
  'metrics',
  'metricsPath',
  'admin',
  'tracing',
  'logging',
  'health',
  'lifecycle',
  'onClose',
  'registryOverlapMs',
  'onError',
] as const

/** Checks what the parts do not check themselves. @throws SdError `SD_INVALID` that names the option */
export function resolveAppOptions(options: AppOptions): ResolvedAppOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  const { instance, config, metrics, tracing, logging, lifecycle = {}, onError = warn } = options
  checkInstance(instance)
  checkAdmin(options.admin)
  if (metrics !== undefined) {
    checkFunction('metrics.handler', checkObject('metrics', metrics)['handler'] as () => unknown)
    if (metrics.respond !== undefined) checkFunction('metrics.respond', metrics.respond)
  }
  if (tracing !== undefined) {
    checkFunction('tracing.call', checkObject('tracing', tracing)['call'] as () => unknown)
    checkFunction('tracing.attempt', tracing.attempt)
  }
  if (logging !== undefined) checkFunction('logging.interceptor', checkObject('logging', logging)['interceptor'] as () => unknown)
  for (const [index, service] of checkList('needs', options.needs).entries()) checkName(`needs[${index}]`, service)
  for (const [index, hook] of checkList('onClose', options.onClose).entries())
    checkFunction(`onClose[${index}]`, hook as () => unknown)
  checkList('health', options.health)
  checkObject('lifecycle', lifecycle)
  const settingsAt = config && checkConfig(config)
  return {
    service: checkName('service', options.service),
    config,
    settingsAt,
    metricsPath: checkPath('metricsPath', options.metricsPath ?? '/metrics'),
    // Checked, and known as defaults, by the lifecycle too.
    livePath: lifecycle.livePath ?? '/health/live',
    readyPath: lifecycle.readyPath ?? '/health/ready',
    registryOverlapMs: checkDuration('registryOverlapMs', options.registryOverlapMs ?? 60_000),
    stepTimeoutMs: checkDuration('lifecycle.stepTimeoutMs', lifecycle.stepTimeoutMs ?? 5_000, 1),
    onError: guardListener('onError', checkFunction('onError', onError)),
  }
}

/** @throws SdError `SD_INVALID` for a service or version, which are options of their own */
export function checkInstance(instance: unknown = {}): void {
  for (const key of ['service', 'version']) {
    if (checkObject('instance', instance)[key] !== undefined)
      throw invalidError(`instance.${key}`, 'a value', `the option ${key}`)
  }
}

/** @returns the path of the settings that it follows */
function checkConfig(config: AppConfigOptions): string | undefined {
  const { settingsAt = 'sd', env, file } = checkObject('config', config) as AppConfigOptions
  if (env !== undefined && env !== false) checkText('config.env', env, 200)
  for (const [index, path] of listOf(file).entries()) checkName(`config.file[${index}]`, path)
  return settingsAt === false ? undefined : checkName('config.settingsAt', settingsAt)
}

function checkPath(field: string, value: string): string {
  if (!checkName(field, value).startsWith('/')) throw invalidError(field, value, 'a path with a leading slash')
  return value
}

function checkList(field: string, value: unknown): readonly unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw invalidError(field, value, 'an array')
  return value
}

/** One value or a list of them as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

function warn(error: SdError): void {
  process.emitWarning(error.message, { type: 'SdWarning', code: error.code })
}

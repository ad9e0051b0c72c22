import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency } from '@nestjs/common'
import type { AppConfigOptions, AppLogging, AppMetrics, AppOptions, AppTracing } from '@sd/app'
import { checkBoolean, checkFunction, checkKnownKeys, checkObject, invalidError, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** Logging, such as what `createServiceLogging()` of `@sd/logging` or `@sd/logging-pino` returns. */
export interface SdLogging extends AppLogging {
  /** Logs served requests on Express. @default calls are logged, served requests are not */
  readonly middleware?: (request: never, response: never, next: () => void) => void
  /** Logs served requests on Fastify. @default calls are logged, served requests are not */
  addFastifyHooks?(app: never): unknown
}

/** Traces, such as what `createTracing()` of `@sd/tracing-opentelemetry` returns. */
export interface SdTracing extends AppTracing {
  /** Continues the traces of callers. @default calls are traced, served requests are not */
  readonly middleware?: (request: never, response: never, next: () => void) => void
}

/** Limits of the server, such as what `createServerLimits()` of `@sd/server-limits` returns. */
export interface SdLimits {
  /** Refuses requests on Express. */
  middleware(request: never, response: never, next: () => void): void
  /** Refuses requests on Fastify. */
  addFastifyHooks(app: never): unknown
  /** The decision about a request that is served. Its deadline is what `@DeadlineAt()` gives. */
  admissionOf(request: object): { readonly deadlineAt?: number | undefined } | undefined
  /** Called after the server has ended. */
  close(): unknown
}

/** Options of `SdModule.forRoot`: those of `createApp` of `@sd/app`, except for what Nest does itself. */
export interface SdModuleOptions<Schema extends StandardSchemaV1 = StandardSchemaV1>
  extends Omit<AppOptions<Schema>, 'service' | 'lifecycle' | 'logging' | 'tracing' | 'onError'> {
  /** Name of the service. @default the one of `@ServiceRegistry` on the root module */
  readonly service?: string
  /** How it starts and ends: delays, limits and paths for health. Signals belong to Nest. @default those of `@sd/lifecycle` */
  readonly lifecycle?: Omit<NonNullable<AppOptions['lifecycle']>, 'signals' | 'exit'>
  /** Lines for calls and served requests. @default none */
  readonly logging?: SdLogging
  /** Traces of calls and served requests. @default none */
  readonly tracing?: SdTracing
  /** Limits of the whole server, before bodies are read. For some routes see `createLimitsGuard`. @default none */
  readonly limits?: SdLimits
  /** Whether the instance is registered; `false` for a process that only calls. @default true */
  readonly isRegistered?: boolean
  /**
   * Whether a registry that refuses the instance ends the process: with SIGTERM, after the error was logged. An unreachable registry does not: the
   * registration keeps trying. @default false
   */
  readonly failOnRefusal?: boolean
}

/** Options of `ServiceRegistryModule.forRoot`: what is registered, and where. */
export type ServiceRegistryModuleOptions = Pick<
  SdModuleOptions,
  'service' | 'version' | 'instance' | 'registry' | 'registryOverlapMs' | 'isRegistered' | 'failOnRefusal' | 'lifecycle'
>

/** Options of `SdMetricsModule.forRoot`. */
export interface SdMetricsModuleOptions {
  /** Path at which they are served. @default '/metrics' */
  readonly path?: string
  /** What `createMetrics()` returned, to add metrics of your own. @default one is made: install `@sd/metrics-prometheus` and `prom-client` */
  readonly metrics?: AppMetrics
}

/** Options that a factory makes: the argument of every `forRootAsync`. */
export interface SdAsyncOptions<Options> extends Pick<ModuleMetadata, 'imports'> {
  /** Creates the options from what is injected. */
  readonly useFactory: (...injected: never[]) => Options | Promise<Options>
  /** What the factory receives. @default [] */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
}

/** What one module contributes to the application. */
export interface Part extends SdModuleOptions {
  /** Makes configuration centers once the classes of the application are known. */
  readonly makeCenters?: (classes: readonly object[]) => Promise<NonNullable<AppConfigOptions['center']>>
}

/** A module and what it contributed, if it is imported. */
export type Contribution = readonly [module: string, part: Part | undefined]

/** Combines the contributions of the modules. @throws SdError `SD_INVALID` for an option that two of them set */
export function mergeParts(contributions: readonly Contribution[]): Part {
  const owners = new Map<string, string>()
  const merged: Record<string, unknown> = {}
  for (const [module, part] of contributions) {
    for (const [key, value] of Object.entries(part ?? {})) {
      if (value === undefined) continue
      const other = owners.get(key)
      if (other !== undefined) throw invalidError(key, `a value from ${other} and from ${module}`, 'a value from one of them')
      owners.set(key, module)
      merged[key] = value
    }
  }
  if ('onError' in merged) throw invalidError('onError', 'a value', "Nest's Logger, which receives the errors")
  return merged
}

/** Checks the options that only concern Nest, and separates those of the application. @throws SdError `SD_INVALID` that names the option */
export function splitOptions(part: Part): {
  readonly app: Omit<Part, 'isRegistered' | 'failOnRefusal' | 'makeCenters' | 'limits'>
  readonly makeCenters: Part['makeCenters']
} {
  const { isRegistered, failOnRefusal, makeCenters, limits, ...app } = part
  for (const key of ['signals', 'exit']) {
    if (app.lifecycle && key in app.lifecycle) {
      throw invalidError(`lifecycle.${key}`, 'a value', 'app.enableShutdownHooks(), because Nest owns the signals')
    }
  }
  if (limits !== undefined) {
    for (const name of ['middleware', 'addFastifyHooks', 'admissionOf', 'close']) {
      checkFunction(`limits.${name}`, checkObject('limits', limits)[name] as () => unknown)
    }
  }
  checkBoolean('isRegistered', isRegistered ?? true)
  checkBoolean('failOnRefusal', failOnRefusal ?? false)
  return { app: limits ? { ...app, onClose: [() => limits.close(), ...(app.onClose ?? [])] } : app, makeCenters }
}

/** Options of `SdMetricsModule` as a part. @throws SdError `SD_INVALID`; `SD_NOT_FOUND` if no package for metrics is installed */
export async function toMetricsPart(options: SdMetricsModuleOptions): Promise<Part> {
  checkKnownKeys('', checkObject('options', options), ['path', 'metrics'])
  const { path, metrics = await makeMetrics() } = options
  return { metrics, ...(path !== undefined && { metricsPath: path }) }
}

async function makeMetrics(): Promise<AppMetrics> {
  const { createMetrics } = await loadOptional(
    '@sd/metrics-prometheus prom-client',
    'SdMetricsModule',
    () => import('@sd/metrics-prometheus'),
  )
  return createMetrics()
}

/** Loads a package that users install only if they need it. @throws SdError `SD_NOT_FOUND` that says what to install */
export async function loadOptional<T>(packages: string, user: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new SdError('SD_NOT_FOUND', `${user} could not load its package: npm install ${packages}`, { cause })
  }
}

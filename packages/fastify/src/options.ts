import type { AppLogging, AppOptions, AppTracing } from '@sd/app'
import { checkBoolean, checkFunction, checkObject, guardListener, type SdError } from '@sd/core'

/** Logging, such as what `createServiceLogging()` of `@sd/logging` or `@sd/logging-pino` returns. */
export interface FastifyLogging extends AppLogging {
  /** Adds the hooks that log served requests. @default calls are logged, served requests are not */
  addFastifyHooks?(app: never): unknown
}

/** Traces, such as what `createTracing()` of `@sd/tracing-opentelemetry` returns. */
export interface FastifyTracing extends AppTracing {
  /** A hook that continues the traces of callers. @default calls are traced, served requests are not */
  readonly middleware?: (request: never, reply: never, done: () => void) => void
}

/** Limits of the server, such as what `createServerLimits()` of `@sd/server-limits` returns. */
export interface FastifyLimits {
  /** Adds the hook that refuses requests. */
  addFastifyHooks(app: never): unknown
  /** The decision about a request that is served. Its deadline becomes `request.deadlineAt`. */
  admissionOf(request: object): { readonly deadlineAt?: number | undefined } | undefined
  /** Called when the application has closed. */
  close(): unknown
}

/** Options of {@link sdFastify}: those of `createApp` of `@sd/app`, and some for Fastify. */
export interface SdFastifyOptions extends Omit<AppOptions, 'server' | 'logging' | 'tracing'> {
  /** Lines for calls and served requests. @default none */
  readonly logging?: FastifyLogging
  /** Traces of calls and served requests. @default none */
  readonly tracing?: FastifyTracing
  /** Limits of the routes. @default none */
  readonly limits?: FastifyLimits
  /**
   * Whether the application closes if the registry refuses the instance, with exit code 1. Otherwise it continues, is
   * not ready, and `onError` receives the refusal. An unreachable registry is not a refusal: the registration is made
   * later.
   *
   * @default false
   */
  readonly failOnRefusal?: boolean
}

/** Options with defaults applied. */
export interface ResolvedFastifyOptions {
  /** The options for `createApp`, which checks them. */
  readonly app: AppOptions
  readonly logging: FastifyLogging | undefined
  readonly tracing: FastifyTracing | undefined
  readonly limits: FastifyLimits | undefined
  readonly failOnRefusal: boolean
  /** Paths of health. */
  readonly probePaths: readonly string[]
  /** Path of metrics, if there are any. */
  readonly metricsPath: string | undefined
  readonly onError: (error: SdError) => void
}

/** Checks the options for Fastify and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveFastifyOptions(options: SdFastifyOptions): ResolvedFastifyOptions {
  checkObject('options', options)
  const { limits, failOnRefusal, ...app } = options
  const { logging, tracing, lifecycle = {}, metrics, metricsPath = '/metrics', onError = warn } = app
  if (limits !== undefined) {
    checkFunction('limits.addFastifyHooks', checkObject('limits', limits)['addFastifyHooks'] as () => unknown)
    checkFunction('limits.admissionOf', limits.admissionOf)
    checkFunction('limits.close', limits.close)
  }
  if (logging?.addFastifyHooks !== undefined) checkFunction('logging.addFastifyHooks', logging.addFastifyHooks)
  if (tracing?.middleware !== undefined) checkFunction('tracing.middleware', tracing.middleware)
  return {
    app,
    logging,
    tracing,
    limits,
    failOnRefusal: checkBoolean('failOnRefusal', failOnRefusal ?? false),
    // Checked, and known as defaults, by createApp.
    probePaths: [lifecycle.livePath ?? '/health/live', lifecycle.readyPath ?? '/health/ready'],
    metricsPath: metrics && metricsPath,
    onError: guardListener('onError', checkFunction('onError', onError)),
  }
}

function warn(error: SdError): void {
  process.emitWarning(error.message, { type: 'SdWarning', code: error.code })
}

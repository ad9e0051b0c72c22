import { hostname } from 'node:os'
import {
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  guardListener,
  invalidError,
  settlesWithin,
} from '@sd/core'
import { createLogContext, type LogContext } from '@sd/logging'
import { type LevelWithSilent, type Logger, type LoggerOptions as PinoOptions, pino } from 'pino'
import { childOfAnything, logAnything, withJsonValues } from './log-anything.ts'
import { censored, createLineRedactor, type RedactOptions } from './redact-line.ts'
import { type LogWriter, openWriter, type WriterFailure } from './writers.ts'

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  /** Name of the service, in every line. */
  readonly service: string
  /** Minimum level. `logger.level` changes it at run time. @default 'info' */
  readonly level?: LevelWithSilent
  /** Source of the request fields. @default a new context */
  readonly context?: LogContext
  /** Additional secrets to redact, see the README. @default none */
  readonly redact?: RedactOptions
  /** Destinations of the lines. @default standard output */
  readonly writers?: readonly LogWriter[]
  /** Additional fields of every line. @default `pid` and `hostname` */
  readonly base?: Readonly<Record<string, unknown>>
  /** Returns the id of the current trace. Set it with OpenTelemetry. @default the id in the context, from `traceparent` */
  readonly traceId?: () => string | undefined
  /** Called when lines can't be written, at most once a second per writer. @default warns with `process.emitWarning` */
  readonly onError?: (failure: WriterFailure) => void
  /** Time limit of `flush` and `close` per writer, in milliseconds. @default 2_000 */
  readonly flushTimeoutMs?: number
  /** Other pino options, such as `serializers`, which pino validates. @default none */
  readonly pino?: Omit<PinoOptions, 'level' | 'base' | 'redact' | 'mixin' | 'timestamp' | 'formatters' | 'transport'>
}

/** A logger with its context and writers. */
export interface OwnedLogger extends AsyncDisposable {
  /** An ordinary pino logger. */
  readonly logger: Logger
  /** Source of the request fields. */
  readonly context: LogContext
  /** Resolves when all lines are written or have failed, within `flushTimeoutMs`. Never rejects. */
  flush(): Promise<void>
  /** Flushes and closes the writers, within `flushTimeoutMs`. Later lines are dropped. Idempotent; never rejects. */
  close(): Promise<void>
}

const keys = ['service', 'level', 'context', 'redact', 'writers', 'base', 'traceId', 'onError', 'flushTimeoutMs', 'pino'] as const
const levels: readonly unknown[] = [...Object.keys(pino.levels.values), 'silent']

/**
 * Creates a logger that writes one line of JSON per event, with `level`, `timestamp`, `service` and the fields of the request.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_UNAVAILABLE` if a file can't be opened
 */
export function createLogger(options: LoggerOptions): OwnedLogger {
  checkKnownKeys('', checkObject('options', options), keys)
  const { service, level = 'info', context = createLogContext(), redact = {}, writers = [{ kind: 'stdout' }] } = options
  const { base = { pid: process.pid, hostname: hostname() }, traceId, onError = warn, pino: more = {} } = options
  const flushTimeoutMs = checkDuration('flushTimeoutMs', options.flushTimeoutMs ?? 2_000)
  checkName('service', service)
  checkLevel('level', level)
  checkFunction('context.get', context.get)
  const report = guardListener('onError', checkFunction('onError', onError))
  if (traceId !== undefined) checkFunction('traceId', traceId)
  for (const [index, writer] of writers.entries()) checkLevel(`writers[${index}].level`, writer?.level ?? 'trace')
  const redactLine = createLineRedactor(redact)

  const open = writers.map((writer, index) => ({
    level: writer.level ?? 'trace',
    stream: openWriter(writer, index, report),
  }))
  function mixin(): object {
    const found = readTraceId()
    return found === undefined ? { ...context.get() } : { ...context.get(), trace_id: found }
  }
  function readTraceId(): string | undefined {
    try {
      return traceId?.()
    } catch {
      // A line without trace id is better than none.
      return undefined
    }
  }
  const logger = pino(
    {
      ...more,
      level,
      base: { ...checkObject('base', base), service },
      mixin,
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...(redact.paths ?? [])], censor: censored },
      hooks: {
        ...more.hooks,
        streamWrite: (line) => redactLine(more.hooks?.streamWrite?.(withJsonValues(line)) ?? withJsonValues(line)),
        logMethod: logAnything(more.hooks?.logMethod, (error) => report({ writer: 'logger', error, failures: 1 })),
      },
    },
    pino.multistream<LevelWithSilent>(open, {
      levels: { ...pino.levels.values, ...more.customLevels, silent: Number.POSITIVE_INFINITY },
    }),
  )
  logger.child = childOfAnything(logger.child)
  const owned: OwnedLogger = {
    logger,
    context,
    async flush() {
      await Promise.all(open.map(({ stream }) => settlesWithin(stream.flush(), flushTimeoutMs)))
    },
    async close() {
      await Promise.all(open.map(({ stream }) => stream.close(flushTimeoutMs)))
    },
    [Symbol.asyncDispose]: () => owned.close(),
  }
  return owned
}

function checkLevel(field: string, level: unknown): void {
  if (!levels.includes(level)) throw invalidError(field, level, `one of ${levels.join(', ')}`)
}

function warn({ writer, error, failures }: WriterFailure): void {
  process.emitWarning(`Log writer ${writer} failed ${failures} times: ${error.message}`, { code: 'SD_LOG_WRITER' })
}

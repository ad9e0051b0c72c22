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
import { type LevelWithSilent, type Logger, type LoggerOptions as PinoOptions, pino } from 'pino'
import { childOfAnything, logAnything, withJsonValues } from './log-anything.ts'
import { createLogContext, type LogContext } from './log-context.ts'
import { censored, createLineRedactor, type RedactOptions } from './redact-line.ts'
import { type LogWriter, openWriter, type WriterFailure } from './writers.ts'

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  /** Name of the service that logs. */
  readonly service: string
  /** Lowest level that is logged. `logger.level` changes it at run time. @default 'info' */
  readonly level?: LevelWithSilent
  /** Where the fields of the request come from. @default its own */
  readonly context?: LogContext
  /** What must not be in the logs, besides what never is; see the README. @default nothing more */
  readonly redact?: RedactOptions
  /** Where lines go. @default standard output */
  readonly writers?: readonly LogWriter[]
  /** Fields of every line, besides the service. @default `pid` and `hostname` */
  readonly base?: Readonly<Record<string, unknown>>
  /** Id of the current trace, for those who trace with OpenTelemetry. @default that of the context, from `traceparent` */
  readonly traceId?: () => string | undefined
  /** Told when lines can't be written, at most once a second for each writer. @default warns with `process.emitWarning` */
  readonly onError?: (failure: WriterFailure) => void
  /** How long `flush` and `close` wait for each writer, in milliseconds. @default 2_000 */
  readonly flushTimeoutMs?: number
  /** Other options of pino, such as `serializers`. They are pino's to check. @default none */
  readonly pino?: Omit<PinoOptions, 'level' | 'base' | 'redact' | 'mixin' | 'timestamp' | 'formatters' | 'transport'>
}

/** A logger with what it stands on. */
export interface OwnedLogger extends AsyncDisposable {
  /** A logger of pino like any other. */
  readonly logger: Logger
  /** Where the fields of the request come from. */
  readonly context: LogContext
  /** Resolves once what was logged is written or could not be, within `flushTimeoutMs`. Never rejects. */
  flush(): Promise<void>
  /** Flushes and closes the writers, within `flushTimeoutMs`. What is logged later is dropped. Idempotent; never rejects. */
  close(): Promise<void>
}

const keys = ['service', 'level', 'context', 'redact', 'writers', 'base', 'traceId', 'onError', 'flushTimeoutMs', 'pino'] as const
const levels: readonly unknown[] = [...Object.keys(pino.levels.values), 'silent']

/**
 * Makes a logger that writes a line of JSON per event, with `level`, `timestamp`, `service` and the fields of the request.
 *
 * @throws SdError `SD_INVALID` that names the option, `SD_UNAVAILABLE` when a file can't be opened
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
      // A line without it is better than none.
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

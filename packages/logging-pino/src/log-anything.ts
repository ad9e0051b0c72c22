import { toSdError } from '@sd/core'
import { copyFields, copyPlain } from '@sd/logging'
import type { Logger, LoggerOptions } from 'pino'

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>
type Arguments = Parameters<LogMethod>[0]

/**
 * A hook that keeps arguments from making logging throw: pino reads its arguments, and some objects throw when they are read.
 * Such arguments are logged as a copy.
 *
 * @param own the user's own hook
 * @param report receives the error of a line that could not be logged at all
 */
export function logAnything(own: LogMethod | undefined, report: (error: Error) => void): LogMethod {
  return function logSafely(args, method, level) {
    const log = (given: Arguments): void => {
      if (own) own.call(this, given, method, level)
      else method.apply(this, given)
    }
    try {
      log(isLoggable(args) ? args : copyArguments(args))
    } catch {
      try {
        log(copyArguments(args))
      } catch (error) {
        report(toSdError(error, 'SD_INVALID', 'Logging a line'))
      }
    }
  }
}

/** Whether pino writes valid JSON for it: for a message that is a symbol or a function it writes `undefined`. */
function isLoggable([first, second]: readonly unknown[]): boolean {
  const message = second === undefined && isError(first) ? (first as Error).message : second
  return isText(message) && (typeof first === 'object' || isText(first))
}

function isText(value: unknown): boolean {
  return typeof value !== 'symbol' && typeof value !== 'function'
}

/** Copies the readable parts of fields and message. */
function copyArguments([first, ...rest]: readonly unknown[]): Arguments {
  const texts = rest.map((value) => (typeof value === 'string' ? value : readText(value)))
  if (typeof first === 'string') return [first, ...texts]
  const fields = copyFields(first)
  return [isError(first) ? { err: fields } : fields, ...texts] as unknown as Arguments
}

function readText(value: unknown): string {
  const copied = copyPlain(value)
  return typeof copied === 'string' ? copied : (JSON.stringify(copied) ?? 'undefined')
}

function isError(value: unknown): boolean {
  try {
    return value instanceof Error
  } catch {
    return false
  }
}

/** Wraps `child` of a logger to accept any bindings. Child loggers inherit it. */
export function childOfAnything(child: Logger['child']): Logger['child'] {
  return function makeChild(this: Logger, bindings, options) {
    try {
      return child.call(this, bindings, options)
    } catch {
      return child.call(this, copyFields(bindings), options)
    }
  } as Logger['child']
}

const textOrNoValue = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity|undefined)\b/g

/** Replaces invalid JSON values by `null`: pino writes `NaN` for items of typed arrays, and `undefined` for some messages. */
export function withJsonValues(line: string): string {
  if (!/[:[,]-?(?:NaN|Infinity|undefined)[,}\]]/.test(line)) return line
  return line.replaceAll(textOrNoValue, (found) => (found.startsWith('"') ? found : 'null'))
}

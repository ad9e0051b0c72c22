import { SdError, type SdErrorCode } from '@sd/core'

/** What is wrong with a configuration that was refused, and where. No value is in it. */
export interface ConfigFailure {
  /** Name of the source; `defaults` and `overrides` are those of the configuration itself, `schema` a value that is in none. */
  readonly source: string
  /** Key of the entry in its source. */
  readonly key?: string | undefined
  /** Line in the entry, from 1, where it is known. */
  readonly line?: number | undefined
  /** Path of the value, such as `db.pool.size`. */
  readonly field?: string | undefined
  /** What is wrong, as the predicate of a sentence. */
  readonly message: string
}

/** The error of a configuration that was refused. */
export interface ConfigError extends SdError {
  /** What is wrong with it, most telling first; at most 20. */
  readonly failures: readonly ConfigFailure[]
}

/** Most failures of one error. */
export const maxFailures = 20

/** Makes the error of a configuration that was refused; its message is in words what `failures` are. */
export function configError(code: SdErrorCode, failures: readonly ConfigFailure[], cause?: SdError | undefined): ConfigError {
  const [first] = failures
  const error = new SdError(code, failures.slice(0, maxFailures).map(describeFailure).join('; '), {
    ...(first?.field !== undefined && { field: first.field }),
    ...(cause && { cause, retryable: cause.retryable }),
  })
  return Object.assign(error, { failures: Object.freeze(failures.slice(0, maxFailures)) })
}

/** Whether an error tells what is wrong with a configuration. */
export function isConfigError(error: unknown): error is ConfigError {
  return error instanceof SdError && 'failures' in error
}

/** A failure in words, such as `file app.yaml:12: db.pool.size is no number`. */
function describeFailure({ source, key, line, field, message }: ConfigFailure): string {
  const place = [source, key && `${key}${line === undefined ? '' : `:${line}`}`].filter(Boolean).join(' ')
  return `${place}: ${field === undefined ? '' : `${field} `}${message}`
}

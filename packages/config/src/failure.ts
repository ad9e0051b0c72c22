import { SdError, type SdErrorCode } from '@sd/core'

/** One reason why a configuration was rejected, with its place. Contains no values. */
export interface ConfigFailure {
  /** Name of the source. `defaults` and `overrides` belong to the configuration itself; `schema` is a value that no source has. */
  readonly source: string
  /** Key of the entry in its source. */
  readonly key?: string | undefined
  /** Line in the entry, from 1, if known. */
  readonly line?: number | undefined
  /** Path of the value, such as `db.pool.size`. */
  readonly field?: string | undefined
  /** The problem, as the predicate of a sentence. */
  readonly message: string
}

/** Error of a rejected configuration. */
export interface ConfigError extends SdError {
  /** The failures, most specific first; at most 20. */
  readonly failures: readonly ConfigFailure[]
}

/** Maximum number of failures in one error. */
export const maxFailures = 20

/** Creates the error of a rejected configuration. Its message describes the `failures`. */
export function configError(code: SdErrorCode, failures: readonly ConfigFailure[], cause?: SdError | undefined): ConfigError {
  const [first] = failures
  const error = new SdError(code, failures.slice(0, maxFailures).map(describeFailure).join('; '), {
    ...(first?.field !== undefined && { field: first.field }),
    ...(cause && { cause, retryable: cause.retryable }),
  })
  return Object.assign(error, { failures: Object.freeze(failures.slice(0, maxFailures)) })
}

/** Whether an error is a {@link ConfigError}. */
export function isConfigError(error: unknown): error is ConfigError {
  return error instanceof SdError && 'failures' in error
}

/** Describes a failure, such as `file app.yaml:12: db.pool.size must be a number`. */
function describeFailure({ source, key, line, field, message }: ConfigFailure): string {
  const place = [source, key && `${key}${line === undefined ? '' : `:${line}`}`].filter(Boolean).join(' ')
  return `${place}: ${field === undefined ? '' : `${field} `}${message}`
}

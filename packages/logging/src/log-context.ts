import { AsyncLocalStorage } from 'node:async_hooks'
import { checkObject, SdError } from '@sd/core'
import { copyFields } from './plain-copy.ts'

/** Fields of every line of one request. A value of `undefined` removes a field. */
export interface LogFields {
  /** Id of the request, the same in all services. */
  readonly request_id?: string | undefined
  /** Id of the user who made the request. */
  readonly user_id?: string | undefined
  /** Id of the trace, 32 hexadecimal digits. */
  readonly trace_id?: string | undefined
  /** Any other JSON value. */
  readonly [name: string]: unknown
}

/**
 * The fields of the current request, available in all code that serves it. An object, not module state: two copies of this
 * package, or two tests, don't share fields. Create one per process and pass it to the logger and to the service logging.
 */
export interface LogContext {
  /** Runs a function, and everything it starts, with these fields added to the outer ones. @returns the result of the function */
  run<T>(fields: LogFields, work: () => T): T
  /** Adds fields for the rest of the request, such as the user after authentication. Has no effect outside of {@link LogContext.run}. */
  set(fields: LogFields): void
  /** Current fields; empty outside of {@link LogContext.run}. */
  get(): LogFields
}

const none: LogFields = Object.freeze({})

/** Creates a context. */
export function createLogContext(): LogContext {
  const storage = new AsyncLocalStorage<{ fields: LogFields }>()
  return {
    run: (fields, work) => storage.run({ fields: { ...storage.getStore()?.fields, ...checkFields(fields) } }, work),
    set(fields) {
      const scope = storage.getStore()
      if (scope) scope.fields = { ...scope.fields, ...checkFields(fields) }
    },
    get: () => storage.getStore()?.fields ?? none,
  }
}

/** Copies fields, with a note in place of unreadable values. @throws SdError `SD_INVALID` if `fields` is not an object */
function checkFields(fields: LogFields): LogFields {
  try {
    return { ...checkObject('fields', fields) }
  } catch (error) {
    if (error instanceof SdError) throw error
    return copyFields(fields)
  }
}

import { AsyncLocalStorage } from 'node:async_hooks'
import { checkObject, SdError } from '@sd/core'
import { copyFields } from './plain-copy.ts'

/** Fields of every line that is logged for one request. A value of `undefined` takes a field away. */
export interface LogFields {
  /** Id of the request, the same in every service that it passes. */
  readonly request_id?: string | undefined
  /** Who made it. */
  readonly user_id?: string | undefined
  /** Id of its trace, 32 hexadecimal digits. */
  readonly trace_id?: string | undefined
  /** Anything else that JSON can hold. */
  readonly [name: string]: unknown
}

/**
 * The fields of the request that is being served, wherever the code is that serves it. An object and no module state: two copies of this
 * package, or two tests, don't see each other's. Make one per process and hand it to the logger and to the service's logging.
 */
export interface LogContext {
  /** Runs a function, and all that it starts, with these fields on top of those around it. @returns what the function returns */
  run<T>(fields: LogFields, work: () => T): T
  /** Adds fields to the rest of the request, such as the user once known. Does nothing outside of {@link LogContext.run}. */
  set(fields: LogFields): void
  /** The fields as of now; none outside of {@link LogContext.run}. */
  get(): LogFields
}

const none: LogFields = Object.freeze({})

/** Makes a context. */
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

/** A copy; what can't be read says so in its place. @throws SdError `SD_INVALID` for what is not an object */
function checkFields(fields: LogFields): LogFields {
  try {
    return { ...checkObject('fields', fields) }
  } catch (error) {
    if (error instanceof SdError) throw error
    return copyFields(fields)
  }
}

import { SdError } from '@sd/core'
import { errors } from 'undici'
import { LENGTH_MESSAGE } from '../message/upload.ts'

/** The undici limit that a request has reached. */
export interface ReachedLimit {
  /** Whether the request had `headersTimeout`, and no head arrived. */
  readonly head: boolean
  /** Whether the request had `bodyTimeout`, and no body data arrived. */
  readonly body: boolean
}

/**
 * An error that undici's code recognises: the undici or system error that ended the call, with the `SdError` as its
 * cause, or the error of the request body. Cases without an undici error stay an `SdError`: no instance, rejected by a
 * policy, the client's own deadline.
 */
export function toDispatcherError(error: Error, reached: ReachedLimit): Error {
  if (!(error instanceof SdError)) return error
  if (reached.head) return withCause(new errors.HeadersTimeoutError(error.message), error)
  if (reached.body) return withCause(new errors.BodyTimeoutError(error.message), error)
  const origin = rootOf(error)
  if (origin && !('code' in origin)) return origin
  if (origin) return copy(origin, error)
  if (error.code === 'SD_INVALID' && error.message.endsWith(LENGTH_MESSAGE)) {
    return withCause(new errors.RequestContentLengthMismatchError(), error)
  }
  if (error.code === 'SD_INVALID') return withCause(new errors.InvalidArgumentError(error.message), error)
  if (error.code === 'SD_UNSUPPORTED') return withCause(new errors.NotSupportedError(error.message), error)
  if (error.code === 'SD_CLOSED') return withCause(new errors.ClientClosedError(error.message), error)
  if (error.code === 'SD_ABORTED') return withCause(new errors.RequestAbortedError(error.message), error)
  return error
}

/** The innermost cause that is not an error of the client. */
function rootOf(error: SdError): Error | undefined {
  let root: unknown = error
  while (root instanceof SdError) root = root.cause
  return root instanceof Error ? root : undefined
}

/** The same error with another cause: of the same class, with the same fields. */
function copy(original: Error, cause: SdError): Error {
  const made = new Error(original.message, { cause })
  Object.setPrototypeOf(made, Object.getPrototypeOf(original))
  const { message: _, cause: __, ...fields } = Object.getOwnPropertyDescriptors(original)
  return Object.defineProperties(made, fields as PropertyDescriptorMap)
}

function withCause(error: Error, cause: SdError): Error {
  error.cause = cause
  return error
}

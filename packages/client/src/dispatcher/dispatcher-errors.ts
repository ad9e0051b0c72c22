import { SdError } from '@sd/core'
import { errors } from 'undici'
import { LENGTH_MESSAGE } from '../message/upload.ts'

/** Which limit of undici's a request has reached. */
export interface ReachedLimit {
  /** Whether the request was given `headersTimeout`, and no head came. */
  readonly head: boolean
  /** Whether the request was given `bodyTimeout`, and nothing of the body came. */
  readonly body: boolean
}

/**
 * An error as undici's code knows it: that of undici or of the system which the call ended with, with the `SdError` as its cause; what the body of
 * the request failed with. What undici has no error for is an `SdError`: no instance, refused by a policy, the client's own deadline.
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

/** The innermost that is not the client's own. */
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

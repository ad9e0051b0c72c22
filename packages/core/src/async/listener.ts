import { describeThrown, SdError } from '../errors.ts'

/** Shortest time between two warnings about one failing listener without a `report` function, in milliseconds. */
const warnEveryMs = 60_000

/**
 * Wraps a listener so that its failures stay isolated. An exception, or the rejection of a promise that the listener
 * returns, goes to `report`. The returned function never throws and returns nothing. Packages call every application
 * listener through it: otherwise a failing listener could end the process or keep other listeners from being called.
 *
 * @param what the listener, as the subject of the message, such as `listener of orders`
 * @param listener called with all arguments
 * @param report receives an `SD_LISTENER_FAILED` error whose `cause` is the failure. If it fails too, a warning is
 * emitted. @default emits a process warning, at most one per minute and listener
 */
export function guardListener<Arguments extends readonly unknown[]>(
  what: string,
  listener: (...values: Arguments) => unknown,
  report?: (error: SdError) => unknown,
): (...values: Arguments) => void {
  let warnedAt = Number.NEGATIVE_INFINITY
  function warn(error: SdError): void {
    const now = performance.now()
    if (now - warnedAt < warnEveryMs) return
    warnedAt = now
    globalThis.process?.emitWarning?.(error)
  }
  function fail(caught: unknown): void {
    const error = new SdError('SD_LISTENER_FAILED', `${what}: ${describeThrown(caught)}`, { cause: caught })
    if (!report) {
      warn(error)
      return
    }
    try {
      const result = report(error)
      if (isThenable(result)) Promise.resolve(result).then(undefined, () => warn(error))
    } catch {
      warn(error)
    }
  }
  return (...values) => {
    try {
      const result = listener(...values)
      // Thenables are awaited too, because they can also reject.
      if (isThenable(result)) Promise.resolve(result).then(undefined, fail)
    } catch (error) {
      fail(error)
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

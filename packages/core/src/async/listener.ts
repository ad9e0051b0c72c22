import { describeThrown, SdError } from '../errors.ts'

/** How often one listener that fails is warned of where no one else is told, in milliseconds. */
const warnEveryMs = 60_000

/**
 * Wraps a listener so that its failures stay its own: what it throws, and what a promise that it returns rejects with, goes to `report`.
 * The function that this returns never throws, and returns nothing. Every listener that an application hands to a package is called
 * through it, because one that fails would otherwise end the process, or keep other listeners from being called.
 *
 * @param what the listener, as the subject of the message, such as `listener of orders`
 * @param listener called with all arguments
 * @param report gets an error `SD_LISTENER_FAILED` whose `cause` is what the listener failed with. If it fails too, a warning is emitted.
 *   @default emits a process warning, at most one a minute for each listener
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
      // What only looks like a promise is awaited too: it may fail as well.
      if (isThenable(result)) Promise.resolve(result).then(undefined, fail)
    } catch (error) {
      fail(error)
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

import { abortError, SdError } from '../errors.ts'

/**
 * Waits.
 *
 * @param keepsAlive whether the wait keeps the process alive, as that for the return of a backend does; false by default
 * @throws SdError `SD_ABORTED` as soon as the signal fires
 */
export function sleep(durationMs: number, signal?: AbortSignal, keepsAlive: boolean = false): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal, 'wait'))
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, durationMs)
    if (!keepsAlive) timer.unref?.()
    function onAbort(): void {
      clearTimeout(timer)
      reject(abortError(signal as AbortSignal, 'wait'))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Waits for a promise for at most `limitMs`. @returns whether it settled in time @throws what it rejected with in time */
export async function settlesWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  const over = new AbortController()
  try {
    return await Promise.race([promise.then(() => true), sleep(limitMs, over.signal, true).then(() => false)])
  } finally {
    over.abort()
  }
}

/** Resolves once the signal fires; never rejects. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/**
 * Runs `operation` with a signal that fires with the first of several, and once it has ended: what it opened can hang on it. Unlike `AbortSignal.any` it leaves nothing on those that live on:
 * Node 22 keeps some memory for every such signal.
 */
export async function withAnySignal<T>(
  signals: readonly (AbortSignal | undefined)[],
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const followed = signals.filter((signal) => signal !== undefined)
  const onAbort = ({ target }: Event): void => controller.abort((target as AbortSignal).reason)
  for (const signal of followed) {
    if (signal.aborted) controller.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  }
  try {
    return await operation(controller.signal)
  } finally {
    for (const signal of followed) signal.removeEventListener('abort', onAbort)
    controller.abort()
  }
}

/** Options of {@link withTimeout}. */
export interface TimeoutOptions {
  /** Limit in milliseconds. @default no limit but the signal */
  readonly timeoutMs?: number | undefined
  /** What is being done, as the subject of the error's message. */
  readonly what: string
  /** The caller's own signal. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs `operation` with a signal that fires on the limit or when the caller aborts, and settles at that moment even if the
 * operation ignores its signal. A late result is dropped.
 *
 * @throws SdError `SD_TIMEOUT` at the limit, `SD_ABORTED` when the caller's signal fires, else whatever `operation` throws
 */
export function withTimeout<T>(options: TimeoutOptions, operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { timeoutMs, what, signal } = options
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal, what))
    const controller = new AbortController()
    const late = (): void => stop(new SdError('SD_TIMEOUT', `${what} took longer than ${timeoutMs} ms`))
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs)
    const onAbort = (): void => stop(abortError(signal as AbortSignal, what))
    function release(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    function stop(error: SdError): void {
      release()
      reject(error)
      controller.abort(error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    // An async function, so that what throws at once lets go of the timer too.
    const run = async (): Promise<T> => operation(controller.signal)
    run().then(
      (value) => {
        release()
        resolve(value)
      },
      (error: unknown) => {
        release()
        reject(error)
      },
    )
  })
}

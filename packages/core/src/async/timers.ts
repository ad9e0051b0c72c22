import { abortError, SdError } from '../errors.ts'

/**
 * Waits.
 *
 * @param keepsAlive whether the timer keeps the process alive; false by default. Set it while waiting for a backend to
 * come back.
 * @throws SdError `SD_ABORTED` as soon as the signal aborts
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

/** Waits at most `limitMs` for a promise. @returns whether it settled in time @throws the rejection, if it came in time */
export async function settlesWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  const over = new AbortController()
  try {
    return await Promise.race([promise.then(() => true), sleep(limitMs, over.signal, true).then(() => false)])
  } finally {
    over.abort()
  }
}

/** Resolves when the signal aborts; never rejects. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/**
 * Runs `operation` with a signal that aborts when any of `signals` aborts or when the operation settles, so that
 * resources can be tied to it. Unlike `AbortSignal.any`, it leaves nothing behind on long-lived signals: Node 22 retains
 * memory for each combined signal.
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
  /** The operation, as the subject of the error message. */
  readonly what: string
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs `operation` with a signal that aborts at the time limit or when the caller aborts. Settles at that moment even if
 * the operation ignores its signal; a late result is dropped.
 *
 * @throws SdError `SD_TIMEOUT` at the limit, `SD_ABORTED` if the caller's signal aborts; otherwise what `operation`
 * throws
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
    // An async function, so that a synchronous exception also clears the timer.
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

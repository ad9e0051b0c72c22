import {
  abortError,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  guardListener,
  type RetryBudget,
  readServerDelay,
  SdError,
  sleep,
  withTimeout,
} from '@sd/core'
import { checkBudget, createSchedule, limitKeys, type RetryLimits } from './schedule.ts'

/** One attempt, as passed to the function that makes it. */
export interface RetryAttempt {
  /** Number of the attempt, from 1. */
  readonly attempt: number
  /** Aborts when the caller aborts or when the attempt times out. */
  readonly signal: AbortSignal
}

/** How an attempt ended: with a value or with an error. */
export interface EndedAttempt<T> {
  /** Number of the attempt, from 1. */
  readonly attempt: number
  /** The value that it returned. */
  readonly value?: T
  /** The error that it threw; `undefined` if it returned. */
  readonly error?: unknown
}

/** Argument of {@link RetryOptions.onRetry}. */
export interface RetryEvent<T> extends EndedAttempt<T> {
  /** Time until the next attempt starts, in milliseconds. */
  readonly delayMs: number
}

/** Options of {@link retry}. */
export interface RetryOptions<T = unknown> extends RetryLimits {
  /** Budget for retries. Create it once, outside of the calls. @default no budget */
  readonly budget?: RetryBudget
  /** Ends an attempt or a wait at once. */
  readonly signal?: AbortSignal | undefined
  /** Timeout of each attempt, in milliseconds; it ends with `SD_TIMEOUT`. @default no timeout */
  readonly attemptTimeoutMs?: number
  /**
   * Whether to retry after this value or error.
   *
   * @default after every error except an `SdError` that is not `retryable` and an `AbortError`
   */
  readonly shouldRetry?: (ended: EndedAttempt<T>) => boolean
  /**
   * Delay that the peer requests, in milliseconds; less than 0 means that there must be no retry.
   * @default from `headers` of the value, of the error or of its `response`, by `readServerDelay`
   */
  readonly serverDelayMs?: (ended: EndedAttempt<T>) => number | undefined
  /** Called before the wait of each retry. Use it to log, or to dispose of a value that will not be returned. @default none */
  readonly onRetry?: (event: RetryEvent<T>) => void
}

const keys = [...limitKeys, 'signal', 'attemptTimeoutMs', 'shouldRetry', 'serverDelayMs', 'onRetry']

/**
 * Calls an async function until it succeeds or a limit is reached. The caller must know that `run` may run more than once.
 *
 * @returns the last value
 * @throws SdError `SD_ABORTED` when the signal aborts, `SD_INVALID` that names an option; otherwise the last attempt's
 *   error, unchanged
 */
export async function retry<T>(run: (attempt: RetryAttempt) => Promise<T>, options: RetryOptions<T> = {}): Promise<T> {
  checkFunction('run', run)
  checkKnownKeys('', options, keys)
  const budget = options.budget && checkBudget(options.budget)
  const schedule = createSchedule(options, budget)
  const { signal, attemptTimeoutMs: timeoutMs, shouldRetry = isRetryable, serverDelayMs = findServerDelay } = options
  if (timeoutMs !== undefined) checkDuration('attemptTimeoutMs', timeoutMs, 1)
  checkFunction('shouldRetry', shouldRetry)
  checkFunction('serverDelayMs', serverDelayMs)
  const { onRetry } = options
  const notifyRetry = onRetry === undefined ? undefined : guardListener('onRetry', checkFunction('onRetry', onRetry))

  const startedAt = performance.now()
  const deadlineAt = Number.POSITIVE_INFINITY
  const isBounded = signal !== undefined || timeoutMs !== undefined
  let previousDelayMs: number | undefined
  for (let attempt = 1; ; attempt++) {
    let ended: EndedAttempt<T> | undefined
    try {
      const value = isBounded
        ? await withTimeout({ timeoutMs, what: 'attempt', signal }, (own) => run({ attempt, signal: own }))
        : await run(new UnboundedAttempt(attempt))
      ended = { attempt, value }
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, 'retry')
      ended = { attempt, error }
    }
    if (attempt === 1) budget?.deposit()
    const delayMs = shouldRetry(ended)
      ? schedule({ attempt, startedAt, deadlineAt, previousDelayMs, serverDelayMs: serverDelayMs(ended) })
      : undefined
    if (delayMs === undefined) {
      if ('error' in ended) throw ended.error
      return ended.value as T
    }
    notifyRetry?.({ ...ended, delayMs })
    previousDelayMs = delayMs
    await sleep(delayMs, signal, true)
  }
}

/**
 * An attempt that has no timeout and no caller's signal. Its signal never aborts. It is created on demand, because it costs
 * as much as the rest of a call. A class, because a getter in an object literal costs even more.
 */
class UnboundedAttempt implements RetryAttempt {
  readonly attempt: number
  #signal: AbortSignal | undefined

  constructor(attempt: number) {
    this.attempt = attempt
  }

  get signal(): AbortSignal {
    this.#signal ??= new AbortController().signal
    return this.#signal
  }
}

function isRetryable(ended: EndedAttempt<unknown>): boolean {
  if (!('error' in ended)) return false
  const { error } = ended
  if (error instanceof SdError) return error.retryable
  return !(error instanceof Error && error.name === 'AbortError')
}

/** Finds the header fields in the results and errors of fetch, undici, axios and got. */
function findServerDelay({ value, error }: EndedAttempt<unknown>): number | undefined {
  for (const holder of [value, error, (error as { response?: unknown } | undefined)?.response]) {
    const headers = (holder as { headers?: unknown } | null | undefined)?.headers
    if (typeof headers === 'object' && headers !== null) return readServerDelay(headers as Record<string, string>)
  }
  return undefined
}

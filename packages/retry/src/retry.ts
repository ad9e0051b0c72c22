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

/** One attempt, as the function that makes it sees it. */
export interface RetryAttempt {
  /** Its number, from 1. */
  readonly attempt: number
  /** Fires when the caller aborts or the attempt is out of time. */
  readonly signal: AbortSignal
}

/** How an attempt ended: with a value, or with an error. */
export interface EndedAttempt<T> {
  /** Its number, from 1. */
  readonly attempt: number
  /** What it returned. */
  readonly value?: T
  /** What it threw; `undefined` if it returned. */
  readonly error?: unknown
}

/** What {@link RetryOptions.onRetry} is told. */
export interface RetryEvent<T> extends EndedAttempt<T> {
  /** When the next attempt starts, in milliseconds from now. */
  readonly delayMs: number
}

/** Options of {@link retry}. */
export interface RetryOptions<T = unknown> extends RetryLimits {
  /** What further attempts are taken from. Make it once, outside of the calls. @default no budget */
  readonly budget?: RetryBudget
  /** Ends attempt and waiting at once. */
  readonly signal?: AbortSignal | undefined
  /** Limit of each attempt, in milliseconds; it ends with `SD_TIMEOUT`. @default no limit */
  readonly attemptTimeoutMs?: number
  /** Whether to try again after this end. @default after every error, but for an `SdError` that is not `retryable` and for an `AbortError` */
  readonly shouldRetry?: (ended: EndedAttempt<T>) => boolean
  /**
   * What the peer asks for: milliseconds, or less than 0 for "not again".
   * @default from `headers` of the value, of the error or of its `response`, by `readServerDelay`
   */
  readonly serverDelayMs?: (ended: EndedAttempt<T>) => number | undefined
  /** Told of every further attempt before its wait; the place to log, and to let go of a value that nobody will get. @default none */
  readonly onRetry?: (event: RetryEvent<T>) => void
}

const keys = [...limitKeys, 'signal', 'attemptTimeoutMs', 'shouldRetry', 'serverDelayMs', 'onRetry']

/**
 * Calls an async function until an end that needs no other attempt, or until a limit. Whether it may run twice is for the caller to know.
 *
 * @returns the last value
 * @throws SdError `SD_ABORTED` when the signal fires, `SD_INVALID` that names an option; else what the last attempt threw, unchanged
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
  const tellOfRetry = onRetry === undefined ? undefined : guardListener('onRetry', checkFunction('onRetry', onRetry))

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
    tellOfRetry?.({ ...ended, delayMs })
    previousDelayMs = delayMs
    await sleep(delayMs, signal, true)
  }
}

/**
 * An attempt that nothing ends early. Its signal never fires, and is made only for who asks for it: it costs as much as the rest of a call.
 * A class, because a getter in an object literal costs even more.
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

/** Looks where fetch, undici, axios and got keep the header fields. */
function findServerDelay({ value, error }: EndedAttempt<unknown>): number | undefined {
  for (const holder of [value, error, (error as { response?: unknown } | undefined)?.response]) {
    const headers = (holder as { headers?: unknown } | null | undefined)?.headers
    if (typeof headers === 'object' && headers !== null) return readServerDelay(headers as Record<string, string>)
  }
  return undefined
}

import { checkFunction, type HedgedAttempt } from '@sd/core'
import { createDelay } from './hedge-delay.ts'
import { runHedged } from './hedged-call.ts'
import { type HedgeOptions, resolveHedgeOptions } from './options.ts'

/** Runs async functions with hedging. */
export interface Hedge<T = unknown> {
  /** Name for logs and metrics. */
  readonly name: string
  /** The current delay before another attempt, in milliseconds. */
  readonly currentDelayMs: number
  /**
   * Calls `run`, and calls it again if there is no response in time or if it fails. Returns the first response and aborts
   * the signals of the other attempts. The caller must know that `run` may run more than once.
   *
   * @returns the first response; without one, the last value that was not accepted
   * @throws SdError `SD_ABORTED` when the caller's signal aborts; otherwise the error of the attempt, unchanged
   */
  execute<R extends T>(
    run: (attempt: HedgedAttempt) => Promise<R>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<R>
}

/**
 * Creates a hedge. If a peer is slow now and then, a second attempt is often faster than waiting for the first. Create one
 * hedge for each kind of call, because it learns their latency.
 *
 * @see https://research.google/pubs/the-tail-at-scale/
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHedge<T = unknown>(options: HedgeOptions<T> = {}): Hedge<T> {
  const rules = resolveHedgeOptions(options)
  const { budget, countsCalls } = rules
  const delay = createDelay(rules)
  return {
    name: 'hedge',
    get currentDelayMs() {
      return delay.currentMs()
    },
    execute<R extends T>(
      run: (attempt: HedgedAttempt) => Promise<R>,
      { signal }: { readonly signal?: AbortSignal | undefined } = {},
    ) {
      checkFunction('run', run)
      if (countsCalls) budget.deposit()
      // `run` of a hedge of T always returns an R.
      return runHedged({ run, rules, delayMs: delay.currentMs(), signal, onFirstLatency: delay.learn }) as Promise<R>
    },
  }
}

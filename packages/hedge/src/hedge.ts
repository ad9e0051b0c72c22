import { checkFunction, type HedgedAttempt } from '@sd/core'
import { createDelay } from './hedge-delay.ts'
import { runHedged } from './hedged-call.ts'
import { type HedgeOptions, resolveHedgeOptions } from './options.ts'

/** Runs async functions with hedging. */
export interface Hedge<T = unknown> {
  /** Name for logs and metrics. */
  readonly name: string
  /** How long it would wait now before another attempt, in milliseconds. */
  readonly currentDelayMs: number
  /**
   * Calls `run`, again if no answer came in time or it failed, and returns the first answer. The other attempts' signals fire then. Whether
   * `run` may run twice is for the caller to know.
   *
   * @returns the first answer; if there is none, the last value that was refused
   * @throws SdError `SD_ABORTED` when the caller's signal fires; else what the attempt threw, unchanged
   */
  execute<R extends T>(
    run: (attempt: HedgedAttempt) => Promise<R>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<R>
}

/**
 * Makes a hedge: against a peer that is slow now and then, a second attempt is often faster than waiting for the first. Make one for each
 * kind of call, because it learns how long they take.
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
      // What a hedge of T gets from `run` is an R throughout.
      return runHedged({ run, rules, delayMs: delay.currentMs(), signal, onFirstLatency: delay.learn }) as Promise<R>
    },
  }
}

import type { CallContext } from '../call/call.ts'
import type { Outcome } from '../call/outcome.ts'

/** One of several attempts of which the first response wins, as seen by the function that makes it. */
export interface HedgedAttempt {
  /** Number of the attempt, starting at 1. */
  readonly attempt: number
  /** Aborts when another attempt wins, or when the caller aborts before there is a response. */
  readonly signal: AbortSignal
}

/** Result of one attempt: a value or an error. */
export interface HedgedEnd<T> {
  /** Number of the attempt, starting at 1. */
  readonly attempt: number
  /** The returned value. */
  readonly value?: T
  /** The error; `undefined` if the attempt returned. */
  readonly error?: unknown
}

/** Callbacks from a {@link HedgePolicy} to its caller. */
export interface HedgeHooks<T> {
  /** Aborts all attempts. */
  readonly signal: AbortSignal
  /** Whether there is a target for another attempt. Called before anything is taken from a budget. */
  canStart(): boolean
  /** Whether a result is final. Any other result starts the next attempt at once. */
  isFinal(ended: HedgedEnd<T>): boolean
  /**
   * Judges a result. Only the latency of a success is recorded. @default a value is a success; an error is judged by its
   * origin
   */
  outcomeOf?(ended: HedgedEnd<T>): Outcome
  /** Called with every value that is not the final result. */
  discard(value: T): void
  /** Called when an additional attempt starts, with its number and the time since the first, in milliseconds. */
  onHedge(event: { readonly attempt: number; readonly afterMs: number }): void
}

/** Makes additional attempts of a call that takes long. The first response wins. */
export interface HedgePolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /** Whether several attempts of a call may run at once. */
  covers(call: CallContext): boolean
  /**
   * Runs attempts. @returns the final result, or the last rejected value if there is none. @throws SdError `SD_ABORTED`,
   * or the error of the last attempt
   */
  execute<T>(run: (attempt: HedgedAttempt) => Promise<T>, hooks: HedgeHooks<T>): Promise<T>
}

import type { CallContext } from '../call/call.ts'
import type { Outcome } from '../call/outcome.ts'

/** One of the attempts of which the first answer wins, as the function that makes it sees it. */
export interface HedgedAttempt {
  /** Its number, from 1. */
  readonly attempt: number
  /** Fires when another attempt has won, or the caller aborts before there is an answer. */
  readonly signal: AbortSignal
}

/** How one of those attempts ended: with a value, or with an error. */
export interface HedgedEnd<T> {
  /** Its number, from 1. */
  readonly attempt: number
  /** What it returned. */
  readonly value?: T
  /** What it threw; `undefined` if it returned. */
  readonly error?: unknown
}

/** What a {@link HedgePolicy} asks and tells its caller. */
export interface HedgeHooks<T> {
  /** Ends all attempts. */
  readonly signal: AbortSignal
  /** Whether there is anywhere for another attempt to go; asked before anything is taken from a budget. */
  canStart(): boolean
  /** Whether an end is the answer. Another end starts the next attempt at once. */
  isFinal(ended: HedgedEnd<T>): boolean
  /** What an end says of the peer: only the latency of a success is learned. @default a value is a success, an error is judged by its origin */
  outcomeOf?(ended: HedgedEnd<T>): Outcome
  /** Given every value that came and is not the answer. */
  discard(value: T): void
  /** Told of every further attempt as it starts: its number, and how long after the first, in milliseconds. */
  onHedge(event: { readonly attempt: number; readonly afterMs: number }): void
}

/** Makes a call once more while it takes long; the first answer wins. */
export interface HedgePolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /** Whether a call may be made several times at once. */
  covers(call: CallContext): boolean
  /** Runs attempts. @returns the answer; if there is none, the last value that was refused. @throws SdError `SD_ABORTED`, or what the last attempt threw */
  execute<T>(run: (attempt: HedgedAttempt) => Promise<T>, hooks: HedgeHooks<T>): Promise<T>
}

import type { Outcome } from '../call/outcome.ts'
import type { AdmissionPolicy } from './admission.ts'

/**
 * `closed` lets calls through, `open` refuses them for a while, `half-open` lets a few through as trials, `isolated` refuses them until
 * somebody says otherwise.
 */
export type CircuitState = 'closed' | 'open' | 'half-open' | 'isolated'

/**
 * Why a circuit changed its state. `failure-rate` and `slow-call-rate`: the closed circuit, or its trials, reached that threshold;
 * `open-time-over`: trials are due; `recovered`: the trials went well; `manual`: somebody called `open`, `close` or `isolate`.
 */
export type CircuitChangeReason = 'failure-rate' | 'slow-call-rate' | 'open-time-over' | 'recovered' | 'manual'

/** One change of a circuit's state. */
export interface CircuitChange {
  /** How it is now. */
  readonly state: CircuitState
  /** How it was before. */
  readonly previous: CircuitState
  /** Why it changed. */
  readonly reason: CircuitChangeReason
}

/** What `CircuitBreaker.execute` returns instead of failing; see {@link ExecuteOptions.fallback}. */
export type CircuitFallback<T> =
  | {
      /** Always the same value. */
      readonly kind: 'value'
      /** The value. */
      readonly value: T
    }
  | {
      /** What a function makes of the error. */
      readonly kind: 'function'
      /** Called with the refusal (`SD_REJECTED`), the timeout (`SD_TIMEOUT`) or what the work threw. Its own error goes to the caller. */
      readonly run: (error: unknown) => T | Promise<T>
    }
  | {
      /** What the last success under the same key returned; the error, if there was none. */
      readonly kind: 'last-success'
      /** What the result belongs to, such as the path of a request: results of different calls must not be mixed up. */
      readonly key: string
      /** Oldest result that is returned, in milliseconds. @default no limit */
      readonly maxAgeMs?: number
    }

/** Options of {@link CircuitBreaker.execute}. */
export interface ExecuteOptions<T> {
  /** Ends the work and the wait for it at once. An aborted call counts neither as success nor as failure. */
  readonly signal?: AbortSignal | undefined
  /** What to return when the call is refused, takes too long or fails. Not used for ignored errors, nor after an abort. @default none */
  readonly fallback?: CircuitFallback<T>
}

/** Stops calling what keeps failing. */
export interface CircuitBreaker extends AdmissionPolicy {
  /** How the circuit is now. */
  readonly state: CircuitState
  /**
   * Runs an async function under a permit. The function's signal fires when the caller aborts or the call takes too long; it is only made
   * for functions that declare it or calls that can be ended, because a signal costs more than the rest.
   *
   * @throws SdError `SD_REJECTED` if the circuit refuses, `SD_TIMEOUT` at the breaker's `timeoutMs`, `SD_ABORTED` when the signal fires,
   * `SD_INVALID` that names the option; else what the function throws, unchanged
   */
  execute<T>(work: (signal: AbortSignal) => Promise<T> | T, options?: ExecuteOptions<T>): Promise<T>
  /** Opens the circuit as if a threshold had been reached: trials follow after the open time. Starts that time anew if it is open. */
  open(): void
  /** Closes the circuit, with an empty window and all traffic at once. */
  close(): void
  /** Refuses everything until {@link CircuitBreaker.open} or {@link CircuitBreaker.close} is called. */
  isolate(): void
  /** Tells of every change, synchronously. A listener that fails hurts neither the call nor other listeners: it is warned of. @returns a function that ends it */
  onStateChange(listener: (change: CircuitChange) => void): () => void
}

/** Which calls a closed circuit judges by. */
export type CircuitWindowOptions =
  | {
      /** The last calls, however long ago. */
      readonly kind: 'count'
      /** How many calls, from 1 to 100,000. @default 100 */
      readonly size?: number
    }
  | {
      /** The calls of the last time. */
      readonly kind: 'time'
      /** How long, in milliseconds, at least 10; calls are forgotten in steps of a tenth. @default 60_000 */
      readonly durationMs?: number
    }

/**
 * Options of every circuit breaker. Defaults are those of Resilience4j where it has them, but for the open time: it asks again soon, and waits
 * longer only as an outage lasts.
 */
export interface CircuitBreakerOptions {
  /** Name for logs, metrics and messages. @default 'breaker' */
  readonly name?: string
  /** Which calls it judges by. @default the last 100 calls */
  readonly window?: CircuitWindowOptions
  /** Calls that must be in the window before it judges, from 1 to the size of a count window. @default 100, or the size if that is less */
  readonly minimumCalls?: number
  /** Share of failed calls at which it opens, that share included; above 0, at most 1. @default 0.5 */
  readonly failureRate?: number
  /** A call that takes longer is slow, in milliseconds; by `latencyMs` of its outcome, else from acquire to settle. @default none is slow */
  readonly slowCallMs?: number
  /** Share of slow calls at which it opens, that share included; above 0, at most 1. @default 1 */
  readonly slowCallRate?: number
  /** Shortest time that it stays open before trials, in milliseconds: it is a tenth of the time since it opened first, within this and `maxOpenMs`. @default 100 */
  readonly openMs?: number
  /** Longest time that it stays open before trials, in milliseconds, at least `openMs`. @default 10_000, or `openMs` if that is more */
  readonly maxOpenMs?: number
  /** Calls that are let through while half-open, from 1 to 1,000; the thresholds decide over them as over the window. @default 10 */
  readonly trials?: number
  /**
   * When no trial ended for so long, the unsettled ones count as failed; in milliseconds. Before that, those that hang for as long as the circuit was
   * open are replaced by others. @default 60_000
   */
  readonly trialTimeoutMs?: number
  /**
   * After trials went well, the share of calls that are let through grows from a tenth to all: in a tenth of the time that the outage took, and in this time at
   * most, in milliseconds. @default 0
   */
  readonly recoveryMs?: number
  /** Outcomes that count neither as success nor as failure. @default those that `judgeOutcome` finds neutral: of the caller's or this process's own doing */
  readonly isIgnored?: (outcome: Outcome) => boolean
  /** Limit of each call through `execute`, in milliseconds; longer ones fail. @default no limit */
  readonly timeoutMs?: number
  /** Results kept for `last-success` fallbacks; the one not used for longest leaves first; from 1 to 100,000. @default 100 */
  readonly maxLastSuccesses?: number
  /** Source of randomness in [0, 1): an open time is shortened by up to a tenth. @default Math.random */
  readonly random?: () => number
}

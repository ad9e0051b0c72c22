import type { Outcome } from '../call/outcome.ts'
import type { AdmissionPolicy } from './admission.ts'

/**
 * `closed` permits calls, `open` refuses them for a while, `half-open` permits a few as trials, `isolated` refuses them
 * until it is opened or closed manually.
 */
export type CircuitState = 'closed' | 'open' | 'half-open' | 'isolated'

/**
 * Why a circuit changed its state.
 *
 * - `failure-rate`, `slow-call-rate`: the closed circuit or its trials reached that threshold
 * - `open-time-over`: trials may start
 * - `recovered`: the trials succeeded
 * - `manual`: `open`, `close` or `isolate` was called
 */
export type CircuitChangeReason = 'failure-rate' | 'slow-call-rate' | 'open-time-over' | 'recovered' | 'manual'

/** One change of a circuit's state. */
export interface CircuitChange {
  /** The new state. */
  readonly state: CircuitState
  /** The previous state. */
  readonly previous: CircuitState
  readonly reason: CircuitChangeReason
}

/** What `CircuitBreaker.execute` returns instead of an error; see {@link ExecuteOptions.fallback}. */
export type CircuitFallback<T> =
  | {
      /** A constant value. */
      readonly kind: 'value'
      readonly value: T
    }
  | {
      /** The result of a function. */
      readonly kind: 'function'
      /**
       * Called with the refusal (`SD_REJECTED`), the timeout (`SD_TIMEOUT`) or the error of the work. An error that it
       * throws goes to the caller.
       */
      readonly run: (error: unknown) => T | Promise<T>
    }
  | {
      /** The result of the last success with the same key; if there was none, the error. */
      readonly kind: 'last-success'
      /** Identifies the kind of result, such as the path of a request: results of different calls must not be mixed up. */
      readonly key: string
      /** Maximum age of the result, in milliseconds. @default no limit */
      readonly maxAgeMs?: number
    }

/** Options of {@link CircuitBreaker.execute}. */
export interface ExecuteOptions<T> {
  /** Aborts the work and the wait for it. An aborted call is neither a success nor a failure. */
  readonly signal?: AbortSignal | undefined
  /**
   * What to return if the call is refused, takes too long or fails. Not used for ignored errors and after an abort.
   * @default none
   */
  readonly fallback?: CircuitFallback<T>
}

/** Stops calls to a peer that keeps failing. */
export interface CircuitBreaker extends AdmissionPolicy {
  /** The current state. */
  readonly state: CircuitState
  /** The last change, with its time in Unix milliseconds; absent before the first, and for breakers that do not record it. */
  readonly lastChange?: (CircuitChange & { readonly at: number }) | undefined
  /**
   * Runs an async function under a permit. The function's signal aborts when the caller aborts or the call takes too
   * long. It is created only for functions that declare it and for calls that can be aborted, because a signal costs more
   * than the rest.
   *
   * @throws SdError `SD_REJECTED` if the circuit refuses, `SD_TIMEOUT` after the breaker's `timeoutMs`, `SD_ABORTED` if
   * the signal aborts, `SD_INVALID` that names the option; otherwise what the function throws, unchanged
   */
  execute<T>(work: (signal: AbortSignal) => Promise<T> | T, options?: ExecuteOptions<T>): Promise<T>
  /**
   * Opens the circuit as if a threshold had been reached: trials follow after the open time. If it is open already, the
   * open time restarts.
   */
  open(): void
  /** Closes the circuit: all traffic at once, with an empty window. */
  close(): void
  /** Refuses all calls until {@link CircuitBreaker.open} or {@link CircuitBreaker.close} is called. */
  isolate(): void
  /**
   * Calls `listener` synchronously at every change. A failing listener causes a warning and affects neither the call nor
   * other listeners. @returns a function that removes the listener
   */
  onStateChange(listener: (change: CircuitChange) => void): () => void
}

/** The calls by which a closed circuit decides. */
export type CircuitWindowOptions =
  | {
      /** A fixed number of the latest calls. */
      readonly kind: 'count'
      /** Number of calls, from 1 to 100,000. @default 100 */
      readonly size?: number
    }
  | {
      /** The calls of a recent period. */
      readonly kind: 'time'
      /** Length of the period in milliseconds, at least 10. Calls expire in steps of a tenth. @default 60_000 */
      readonly durationMs?: number
    }

/**
 * Options of every circuit breaker. Defaults are those of Resilience4j where it has them, except for the open time:
 * trials start early, and the open time grows with the duration of the outage.
 */
export interface CircuitBreakerOptions {
  /** Name for logs, metrics and messages. @default 'breaker' */
  readonly name?: string
  /** The calls by which it decides. @default the last 100 calls */
  readonly window?: CircuitWindowOptions
  /**
   * Minimum number of calls in the window before it decides, from 1 to the size of a count window. @default 100, or the
   * size if that is less
   */
  readonly minimumCalls?: number
  /** Share of failed calls at which it opens; above 0, at most 1. @default 0.5 */
  readonly failureRate?: number
  /**
   * Duration above which a call is slow, in milliseconds: `latencyMs` of its outcome, otherwise from acquire to settle.
   * @default no call is slow
   */
  readonly slowCallMs?: number
  /** Share of slow calls at which it opens; above 0, at most 1. @default 1 */
  readonly slowCallRate?: number
  /**
   * Minimum open time before trials, in milliseconds. The open time is a tenth of the time since the circuit first
   * opened, between `openMs` and `maxOpenMs`. @default 100
   */
  readonly openMs?: number
  /** Maximum open time before trials, in milliseconds, at least `openMs`. @default 10_000, or `openMs` if that is more */
  readonly maxOpenMs?: number
  /** Number of trial calls while half-open, from 1 to 1,000. The thresholds apply to them as to the window. @default 10 */
  readonly trials?: number
  /**
   * If no trial ends for this time, in milliseconds, the unsettled trials are recorded as failures. Before that, trials
   * that hang for as long as the circuit was open are replaced by others. @default 60_000
   */
  readonly trialTimeoutMs?: number
  /**
   * After successful trials, the share of permitted calls grows from a tenth to all. This takes a tenth of the duration
   * of the outage, but at most this time, in milliseconds. @default 0
   */
  readonly recoveryMs?: number
  /**
   * Whether an outcome is neither a success nor a failure. @default those that `judgeOutcome` finds neutral: caused by
   * the caller or this process
   */
  readonly isIgnored?: (outcome: Outcome) => boolean
  /** Time limit of each call through `execute`, in milliseconds; calls that exceed it fail. @default no limit */
  readonly timeoutMs?: number
  /**
   * Number of results kept for `last-success` fallbacks, from 1 to 100,000. The least recently used is evicted first.
   * @default 100
   */
  readonly maxLastSuccesses?: number
  /** Source of randomness in [0, 1). Open times are shortened by up to a tenth. @default Math.random */
  readonly random?: () => number
}

import type { Outcome } from './outcome.ts'

/** Leave to do one piece of work. */
export interface Permit {
  /** Tells how the work ended; exactly once, when it has really ended: body read, failed or aborted. Later calls do nothing. */
  settle(outcome: Outcome): void
}

/** A policy in two phases: acquire a permit, settle it when the work has really ended. */
export interface AdmissionPolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /** A permit, or `undefined` if the work is refused now. */
  tryAcquire(): Permit | undefined
}

/**
 * How much a call matters: `batch` is work that nobody waits for, and may come later; `critical` is what the business lives by, such as a checkout.
 */
export type CallPriority = 'critical' | 'default' | 'batch'

/** Share of the places of a concurrency limit that calls of a priority may take: batch is refused before the others, and leaves them half. */
export const priorityShares: Readonly<Record<CallPriority, number>> = { critical: 1, default: 0.9, batch: 0.5 }

/** What a concurrency limit is told of a call. */
export interface LimitRequest {
  /** How much it matters. @default no priorities: all places */
  readonly priority?: CallPriority | undefined
}

/** How full a {@link ConcurrencyLimit} is. */
export interface LimitLoad {
  /** Most work at once, as of now. */
  readonly max: number
  /** Work under way. */
  readonly active: number
  /** Work that waits. */
  readonly waiting: number
}

/** Bounds how much work is under way at once. */
export interface ConcurrencyLimit extends AdmissionPolicy {
  /** How full it is. */
  readonly load: LimitLoad
  /** A permit, or `undefined` if the work is refused now. */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /** A permit at once or, where there is a queue, after a wait. It rejects, and does not throw: `SD_REJECTED`, `SD_ABORTED`, `SD_CLOSED`. */
  acquire?(request?: LimitRequest & { readonly signal?: AbortSignal | undefined }): Permit | Promise<Permit>
  /** Refuses all work from now on. Idempotent. */
  close(): void
}

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

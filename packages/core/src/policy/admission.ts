import type { Outcome } from '../call/outcome.ts'

/** Permission for one piece of work. */
export interface Permit {
  /**
   * Reports how the work ended. Call it when it has completely ended: body read, failed or aborted. Calls after the first
   * do nothing.
   */
  settle(outcome: Outcome): void
}

/** A policy with two phases: acquire a permit, and settle it when the work has completely ended. */
export interface AdmissionPolicy {
  /** Name for logs and metrics. */
  readonly name: string
  /** Returns a permit, or `undefined` if the work is refused now. */
  tryAcquire(): Permit | undefined
}

/**
 * Importance of a call. `batch` is background work that can be done later; `critical` is essential for the business, such
 * as a checkout.
 */
export type CallPriority = 'critical' | 'default' | 'batch'

/**
 * Share of the places of a concurrency limit that calls of a priority may use. Batch calls are refused first and leave
 * half of the places to the others.
 */
export const priorityShares: Readonly<Record<CallPriority, number>> = { critical: 1, default: 0.9, batch: 0.5 }

/** What a concurrency limit knows about a call. */
export interface LimitRequest {
  /** Priority of the call. @default may use all places */
  readonly priority?: CallPriority | undefined
}

/** Utilisation of a {@link ConcurrencyLimit}. */
export interface LimitLoad {
  /** Current limit. */
  readonly max: number
  /** Number of active calls. */
  readonly active: number
  /** Number of waiting calls. */
  readonly waiting: number
}

/** Limits how much work is active at once. */
export interface ConcurrencyLimit extends AdmissionPolicy {
  /** Current utilisation. */
  readonly load: LimitLoad
  /** Returns a permit, or `undefined` if the work is refused now. */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /**
   * Returns a permit at once or, if there is a queue, after a wait. It rejects instead of throwing: `SD_REJECTED`,
   * `SD_ABORTED`, `SD_CLOSED`.
   */
  acquire?(request?: LimitRequest & { readonly signal?: AbortSignal | undefined }): Permit | Promise<Permit>
  /** Refuses all work from now on. Idempotent. */
  close(): void
}

import type { Outcome } from '../call/outcome.ts'

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

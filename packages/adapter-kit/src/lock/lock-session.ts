import { createBackoff, delayBeforeRetry, sleep, spread } from '@sd/core'

/** What {@link keepSession} keeps. */
export interface SessionLife {
  /** Lifetime without renewal, in milliseconds. */
  readonly ttlMs: number
  /** When the backend confirmed it, by `performance.now()`: the moment before the request, so that it never ends earlier than we think. */
  readonly confirmedAt: number
  /** Renews it. @returns false if the backend does not know it any more */
  renew(): Promise<boolean>
}

/** A lock that is held, and what may take it away. */
export interface HeldLock {
  /** Fires when its session is lost. */
  readonly session: AbortSignal
  /**
   * Follows the lock's own key until `signal` fires, and calls `onGone` when it is no longer as it was taken: deleted or given away behind
   * our back, with the session still alive. It may throw; it is called again then.
   */
  readonly follow: (signal: AbortSignal, onGone: () => void) => Promise<void>
}

/**
 * Watches a lock where it can be lost: its session, and its own key.
 *
 * @returns fires `lost` with the first of both; `end` stops watching
 */
export function watchHeldLock({ session, follow }: HeldLock): { readonly lost: AbortSignal; readonly end: () => void } {
  const lost = new AbortController()
  const ended = new AbortController()
  const lose = (): void => {
    session.removeEventListener('abort', lose)
    ended.abort()
    lost.abort()
  }
  async function keep(): Promise<void> {
    const backoff = createBackoff({ maxMs: 2_000 })
    while (!ended.signal.aborted) {
      const error = await follow(ended.signal, lose).catch((caught: unknown) => caught)
      await sleep(delayBeforeRetry(backoff, error), ended.signal).catch(() => undefined)
    }
  }
  session.addEventListener('abort', lose, { once: true })
  if (session.aborted) lose()
  else void keep()
  return {
    lost: lost.signal,
    end: () => {
      session.removeEventListener('abort', lose)
      ended.abort()
    },
  }
}

/** Share of a lifetime after which a session that could not be renewed is given up: the rest is for stopping. */
const safeShare = 0.9

/**
 * Renews the session that locks hang on, every third of its lifetime.
 *
 * @returns fires `lost` when the session has ended, or will soon without our being able to renew it; `end` does too, and stops renewing
 */
export function keepSession({ ttlMs, confirmedAt, renew }: SessionLife): {
  readonly lost: AbortSignal
  readonly end: () => void
} {
  const lost = new AbortController()
  let giveUp: NodeJS.Timeout | undefined
  let latest = Number.NEGATIVE_INFINITY

  /** The session lives from the request that the backend confirmed, however slow its response was. */
  function confirm(requestedAt: number): void {
    if (requestedAt <= latest || lost.signal.aborted) return
    latest = requestedAt
    clearTimeout(giveUp)
    giveUp = setTimeout(() => lost.abort(), requestedAt + ttlMs * safeShare - performance.now())
  }

  async function attempt(): Promise<void> {
    const requestedAt = performance.now()
    if (await renew()) confirm(requestedAt)
    else lost.abort()
  }

  async function keep(): Promise<void> {
    confirm(confirmedAt)
    while (!lost.signal.aborted) {
      await sleep(spread(ttlMs / 3), lost.signal, true).catch(() => undefined)
      // Not waited for: one that hangs must not be the last. After a failure the timer knows when it is too late.
      if (!lost.signal.aborted) void attempt().catch(() => undefined)
    }
    clearTimeout(giveUp)
  }
  void keep()
  return { lost: lost.signal, end: () => lost.abort() }
}

import { createBackoff, delayBeforeRetry, sleep, spread } from '@sd/core'

/** A session that {@link keepSession} renews. */
export interface SessionLife {
  /** Lifetime without renewal, in milliseconds. */
  readonly ttlMs: number
  /**
   * When the backend confirmed it, by `performance.now()`. Use the time before the request, so that the session never
   * ends earlier than assumed.
   */
  readonly confirmedAt: number
  /** Renews the session. @returns false if the backend no longer knows it */
  renew(): Promise<boolean>
}

/** A held lock and the ways to lose it. */
export interface HeldLock {
  /** Aborts when the session is lost. */
  readonly session: AbortSignal
  /**
   * Watches the lock's own key until `signal` aborts, and calls `onLost` when the key has changed: deleted or given to
   * another process while the session is still alive. If it throws, it is called again.
   */
  readonly follow: (signal: AbortSignal, onLost: () => void) => Promise<void>
}

/**
 * Watches for the loss of a lock: of its session, or of its own key.
 *
 * @returns `lost` aborts at the first loss; `end` stops watching
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

/**
 * Share of the lifetime after which a session that could not be renewed is treated as lost. The rest is for stopping the
 * protected work.
 */
const safeShare = 0.9

/**
 * Renews the session of locks, every third of its lifetime.
 *
 * @returns `lost` aborts when the session has ended, or will end soon without a successful renewal; `end` aborts it too,
 * and stops renewing
 */
export function keepSession({ ttlMs, confirmedAt, renew }: SessionLife): {
  readonly lost: AbortSignal
  readonly end: () => void
} {
  const lost = new AbortController()
  let giveUp: NodeJS.Timeout | undefined
  let latest = Number.NEGATIVE_INFINITY

  /** The lifetime starts at the request that the backend confirmed, even if its response was slow. */
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
      // Not awaited: a renewal that hangs must not prevent the next one. After failures, the timer detects the loss.
      if (!lost.signal.aborted) void attempt().catch(() => undefined)
    }
    clearTimeout(giveUp)
  }
  void keep()
  return { lost: lost.signal, end: () => lost.abort() }
}

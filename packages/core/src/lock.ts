import { createBackoff, spread } from './backoff.ts'
import { SdError } from './errors.ts'
import type { OperationOptions } from './registry.ts'
import { delayBeforeRetry } from './server-delay.ts'
import { sleep } from './timers.ts'
import type { Watched } from './watched.ts'

/** Options of {@link Lock.acquire}. */
export interface AcquireOptions extends OperationOptions {
  /** What others see of the holder, such as its address; at most 4,096 characters. @default '' */
  readonly value?: string
  /** How long to wait for the lock, in milliseconds. @default no limit but the signal */
  readonly timeoutMs?: number
}

/** Who holds a lock. */
export interface LockHolder {
  /** What the holder says of itself. */
  readonly value: string
  /** The holder's fencing token. */
  readonly token: bigint
}

/** A lock that is held. Its end is an event: watch `signal` for as long as you rely on the lock. */
export interface LockHandle extends LockHolder, AsyncDisposable {
  /** Name of the lock. */
  readonly key: string
  /**
   * Fires when the lock is released, or may be lost: its session could not be renewed for so long that somebody else may hold it by now.
   * By then stop what the lock protects.
   */
  readonly signal: AbortSignal
  /**
   * Grows with every acquisition of this lock. Send it along with every write, and let the store refuse a lower one than it has seen:
   * no lock can protect a holder that was paused from writing late.
   */
  readonly token: bigint
  /** Gives the lock back. Idempotent. A backend that is away does it by itself, once the session ends. */
  release(): Promise<void>
}

/** Locks on one backend. At most one handle per key is valid at any time, in all processes; a lock can't be taken twice by the same. */
export interface Lock extends AsyncDisposable {
  /** Name for logs. */
  readonly name: string
  /**
   * Waits for the lock.
   *
   * @throws SdError `SD_TIMEOUT` after `timeoutMs`, `SD_ABORTED`, `SD_DENIED`, `SD_CLOSED`. While the backend is away it goes on trying.
   */
  acquire(key: string, options?: AcquireOptions): Promise<LockHandle>
  /** Takes the lock if nobody has it. @returns `undefined` if somebody does @throws SdError `SD_UNAVAILABLE` when the backend is away */
  tryAcquire(key: string, options?: AcquireOptions): Promise<LockHandle | undefined>
  /** Who holds the lock now; `undefined` if nobody does. @throws SdError when the backend can't answer */
  holder(key: string, options?: OperationOptions): Promise<LockHolder | undefined>
  /** Follows who holds the lock: yields the holder now, then every change; `null` is nobody. Ends when aborted or closed. */
  watchHolder(key: string, options?: OperationOptions): AsyncIterable<Watched<LockHolder | null>>
  /** Releases every lock that it holds and closes the connection. Idempotent and bounded in time. */
  close(): Promise<void>
}

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

/** Shortest time between two rounds of an election, in milliseconds: work that returns at once must not keep the backend busy. */
const shortestRoundMs = 1_000

/** Options of {@link lead}. */
export interface LeadOptions {
  /** Ends the candidacy, and the leadership. */
  readonly signal: AbortSignal
  /** What others see of this candidate, such as its address. @default '' */
  readonly candidate?: string
}

/**
 * Leader election: waits until this process leads, runs `work` while it does, and stands again after it lost the leadership. Everybody
 * follows the leader with `lock.watchHolder(name)`. A round takes at least a second, however soon the work returns.
 *
 * @param work gets the leadership; it must end soon after the leadership's `signal` fires. When it returns, another candidate may lead.
 * @throws whatever `work` throws, but for an `SD_ABORTED` after its signal fired, and what `lock.acquire` can't wait out; nothing when `signal` fires
 */
export async function lead(
  lock: Lock,
  name: string,
  options: LeadOptions,
  work: (leadership: LockHandle) => Promise<void>,
): Promise<void> {
  const { signal, candidate: value = '' } = options
  while (!signal.aborted) {
    let leadership: LockHandle
    try {
      leadership = await lock.acquire(name, { signal, value })
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    const startedAt = performance.now()
    const resign = (): void => void leadership.release().catch(() => undefined)
    signal.addEventListener('abort', resign, { once: true })
    try {
      if (!signal.aborted) await work(leadership)
    } catch (error) {
      // Work that waits with the leadership's signal ends like this when it is lost.
      const isEnd = leadership.signal.aborted && SdError.isInstance(error) && error.code === 'SD_ABORTED'
      if (!isEnd) throw error
    } finally {
      signal.removeEventListener('abort', resign)
      await leadership.release().catch(() => undefined)
    }
    const restMs = startedAt + shortestRoundMs - performance.now()
    if (restMs > 0) await sleep(spread(restMs), signal, true).catch(() => undefined)
  }
}

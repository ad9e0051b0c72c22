import { spread } from '../async/backoff.ts'
import { sleep } from '../async/timers.ts'
import { SdError } from '../errors.ts'
import type { Lock, LockHandle } from './lock.ts'

/** Shortest duration of a round of an election, in milliseconds. Work that returns at once must not overload the backend. */
const shortestRoundMs = 1_000

/** Options of {@link electLeader}. */
export interface ElectionOptions {
  /** Ends the candidacy and the leadership. */
  readonly signal: AbortSignal
  /** Text that other processes see, such as the address of this candidate. @default '' */
  readonly candidate?: string
}

/**
 * Leader election. Waits until this process leads, runs `work` while it does, and becomes a candidate again after it lost
 * the leadership. Other processes can observe the leader with `lock.watchHolder(name)`. A round takes at least a second,
 * even if the work returns sooner.
 *
 * @param work receives the leadership; it must end soon after the leadership's `signal` aborts. When it returns, another
 * candidate may become the leader.
 * @throws what `work` throws, except for `SD_ABORTED` after its signal aborted, and errors of `lock.acquire` that waiting
 * can't resolve. Returns normally when `signal` aborts.
 */
export async function electLeader(
  lock: Lock,
  name: string,
  options: ElectionOptions,
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
      // This is how work that waits with the leadership's signal ends when the leadership is lost.
      const isEnd = leadership.signal.aborted && error instanceof SdError && error.code === 'SD_ABORTED'
      if (!isEnd) throw error
    } finally {
      signal.removeEventListener('abort', resign)
      await leadership.release().catch(() => undefined)
    }
    const restMs = startedAt + shortestRoundMs - performance.now()
    if (restMs > 0) await sleep(spread(restMs), signal, true).catch(() => undefined)
  }
}

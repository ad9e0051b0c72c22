import { spread } from '../async/backoff.ts'
import { sleep } from '../async/timers.ts'
import { SdError } from '../errors.ts'
import type { Lock, LockHandle } from './lock.ts'

/** Shortest time between two rounds of an election, in milliseconds: work that returns at once must not keep the backend busy. */
const shortestRoundMs = 1_000

/** Options of {@link electLeader}. */
export interface ElectionOptions {
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
      // Work that waits with the leadership's signal ends like this when it is lost.
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

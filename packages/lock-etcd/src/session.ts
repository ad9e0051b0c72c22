import { type EtcdConnection, type EtcdLease, grantLease } from '@sd/connection-etcd'
import { sleep } from '@sd/core'

/** A lease that is renewed for as long as etcd can be reached. All locks of a client hang on it. */
export interface Session {
  /** Id of the lease. */
  readonly id: string
  /** Fires when the lease has ended, or will soon without our being able to renew it. */
  readonly lost: AbortSignal
  /** Ends it. */
  close(): Promise<void>
}

/** Share of a lifetime after which a lease that could not be renewed is given up: the rest is for stopping. */
const safeShare = 0.9

/** Opens a session. @throws SdError when etcd can't be reached */
export async function openSession(connection: EtcdConnection, ttlMs: number): Promise<Session> {
  const lease = await grantLease(connection, ttlMs)
  const lost = new AbortController()
  void renewWhileItLives(lease, lost)
  return {
    id: lease.id,
    lost: lost.signal,
    async close() {
      lost.abort()
      await lease.revoke()
    },
  }
}

async function renewWhileItLives(lease: EtcdLease, lost: AbortController): Promise<void> {
  const lifetimeMs = lease.expiresAt - lease.confirmedAt
  let giveUp = setTimeout(() => lost.abort(), lifetimeMs * safeShare)
  while (!lost.signal.aborted) {
    await sleep((lifetimeMs / 3) * (0.9 + Math.random() * 0.2), lost.signal, true).catch(() => undefined)
    if (lost.signal.aborted) break
    try {
      if (!(await lease.renew())) break
      clearTimeout(giveUp)
      giveUp = setTimeout(() => lost.abort(), lease.confirmedAt + lifetimeMs * safeShare - performance.now())
    } catch {
      // Tried again soon; the timer knows when it is too late.
    }
  }
  clearTimeout(giveUp)
  lost.abort()
}

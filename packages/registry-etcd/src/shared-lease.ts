import { type EtcdConnection, type EtcdLease, grantLease } from '@sd/connection-etcd'

/** A lease that all registrations of one lifetime share, so that a process renews one and not a thousand. */
export interface SharedLease {
  /** The id of a lease that lives by our own clock, granted if need be. */
  id(): Promise<string>
  /** Renews the lease. @returns whether it is still there; many callers within a short time make one request */
  renew(): Promise<boolean>
  /** Ends the lease, and every key that is still bound to it. */
  revoke(): Promise<void>
}

/** Describes a lease of `ttlMs`; nothing is granted before it is asked for. */
export function createSharedLease(connection: EtcdConnection, ttlMs: number): SharedLease {
  let current: Promise<EtcdLease | undefined> | undefined
  let renewing: Promise<boolean> | undefined

  async function hold(): Promise<EtcdLease> {
    const before = current
    const held = await before
    if (held && performance.now() < held.expiresAt) return held
    if (current === before) {
      const granting = grantLease(connection, ttlMs)
      // Whoever waits for it hears of a failure; the next one starts afresh.
      current = granting.catch(() => undefined)
      return granting
    }
    return hold()
  }

  async function renewHeld(held: EtcdLease): Promise<boolean> {
    try {
      const isAlive = await held.renew()
      if (!isAlive) current = undefined
      return isAlive
    } finally {
      renewing = undefined
    }
  }

  return {
    id: async () => (await hold()).id,
    async renew() {
      const held = await current
      if (!held) return false
      // Another registration's turn was not long ago.
      if (performance.now() - held.confirmedAt < ttlMs / 6) return true
      renewing ??= renewHeld(held)
      return renewing
    },
    async revoke() {
      const held = await current
      current = undefined
      await held?.revoke()
    },
  }
}

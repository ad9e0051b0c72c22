import { type EtcdConnection, type EtcdLease, grantLease } from '@sd/connection-etcd'

/** A lease that all registrations with one time to live share, so that a process renews one lease and not a thousand. */
export interface SharedLease {
  /** Returns the id of a lease that is alive by the local clock; grants one if necessary. */
  id(): Promise<string>
  /** Renews the lease. @returns whether it still exists; calls within a short time share one request */
  renew(): Promise<boolean>
  /** Revokes the lease and with it every key that is still bound to it. */
  revoke(): Promise<void>
}

/** Creates a lease with the time to live `ttlMs`. It is granted on first use. */
export function createSharedLease(connection: EtcdConnection, ttlMs: number): SharedLease {
  let current: Promise<EtcdLease | undefined> | undefined
  let renewing: Promise<boolean> | undefined

  async function hold(): Promise<EtcdLease> {
    const before = current
    const held = await before
    if (held && performance.now() < held.expiresAt) return held
    if (current === before) {
      const granting = grantLease(connection, ttlMs)
      // Callers that wait for this grant get its error; the next one grants again.
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
      // The lease was renewed a short time ago by another registration.
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

import { EtcdLeaseInvalidError } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'
import { isSilence } from './member-policies.ts'

/** A lease on etcd that expires unless it is renewed. */
export interface EtcdLease {
  /** Its id. */
  readonly id: string
  /**
   * When etcd last confirmed the lease, by `performance.now()`: the time before the request, so that the lease never
   * expires before `expiresAt`.
   */
  readonly confirmedAt: number
  /** When the lease expires without renewal, by `performance.now()`. */
  readonly expiresAt: number
  /** Renews the lease. @returns false if etcd no longer has it @throws SdError if etcd is unreachable */
  renew(): Promise<boolean>
  /** Revokes the lease, and deletes every key that is still bound to it. */
  revoke(): Promise<void>
}

/** Shortest time to live that etcd grants, in seconds: one and a half times its default election timeout, rounded up. */
const shortestTtlSeconds = 2

/** Requests a lease from etcd. @param ttlMs its time to live without renewal; rounded up to seconds, at least 2 */
export async function grantLease(connection: EtcdConnection, ttlMs: number): Promise<EtcdLease> {
  const ttlSeconds = Math.max(shortestTtlSeconds, Math.ceil(ttlMs / 1_000))
  let confirmedAt = performance.now()
  const lease = await connection.run(async (client) => {
    // The library's own keepalive never grants a lease again, so renewals are sent here.
    const granted = client.lease(ttlSeconds, { autoKeepAlive: false })
    // A failed grant is reported twice; the rejection of grant() is sufficient.
    granted.on('lost', () => undefined)
    return { granted, id: await granted.grant() }
  })
  return {
    id: lease.id,
    get confirmedAt() {
      return confirmedAt
    },
    get expiresAt() {
      return confirmedAt + ttlSeconds * 1_000
    },
    async renew() {
      const startedAt = performance.now()
      const isAlive = await connection.run(async () => {
        for (let attempt = 1; ; attempt++) {
          try {
            await lease.granted.keepaliveOnce({ deadline: Date.now() + connection.attemptLimitMs })
            return true
          } catch (error) {
            if (isUnknownLease(error)) return false
            // A renewal is a stream, which the library does not try on another member.
            if (!isSilence(error) || attempt >= connection.members) throw error
          }
        }
      })
      if (isAlive) confirmedAt = startedAt
      return isAlive
    },
    revoke: () => connection.run(() => lease.granted.revoke()),
  }
}

function isUnknownLease(error: unknown): boolean {
  return error instanceof EtcdLeaseInvalidError
}

import { keepSession } from '@sd/adapter-kit'
import { type EtcdConnection, grantLease } from '@sd/connection-etcd'

/** A lease that is renewed while etcd is reachable. All locks of a client are tied to it. */
export interface EtcdSession {
  /** Id of the lease. */
  readonly id: string
  /** Aborts when the lease has expired, or can soon expire without a renewal. */
  readonly lost: AbortSignal
  /** Revokes the lease. */
  close(): Promise<void>
}

/** Opens a session. @throws SdError if etcd is unreachable */
export async function openSession(connection: EtcdConnection, ttlMs: number): Promise<EtcdSession> {
  const lease = await grantLease(connection, ttlMs)
  const { id, confirmedAt, expiresAt } = lease
  const { lost, end } = keepSession({ ttlMs: expiresAt - confirmedAt, confirmedAt, renew: () => lease.renew() })
  return {
    id,
    lost,
    async close() {
      end()
      await lease.revoke()
    },
  }
}

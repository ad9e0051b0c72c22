import { keepSession } from '@sd/adapter-kit'
import { type EtcdConnection, grantLease } from '@sd/connection-etcd'

/** A lease that is renewed for as long as etcd can be reached. All locks of a client hang on it. */
export interface EtcdSession {
  /** Id of the lease. */
  readonly id: string
  /** Fires when the lease has ended, or will soon without our being able to renew it. */
  readonly lost: AbortSignal
  /** Ends it. */
  close(): Promise<void>
}

/** Opens a session. @throws SdError when etcd can't be reached */
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

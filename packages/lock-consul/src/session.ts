import { keepSession } from '@sd/adapter-kit'
import { type ConsulConnection, ping, responseOf, unlessMissing } from '@sd/connection-consul'
import { invalidError, SdError } from '@sd/core'
import type { ResolvedConsulLockOptions } from './options.ts'

/** A session on Consul, which is renewed while Consul is reachable. All locks of a client are tied to it. */
export interface ConsulSession {
  /** Its id. */
  readonly id: string
  /** Aborts when the session has ended, or can soon end without a renewal. */
  readonly lost: AbortSignal
  /** Destroys the session. */
  close(): Promise<void>
}

/** Opens a session. @throws SdError if Consul is unreachable */
export async function openSession(connection: ConsulConnection, settings: ResolvedConsulLockOptions): Promise<ConsulSession> {
  const { ttlMs, lockDelayMs, datacenter, name } = settings
  const query = datacenter === undefined ? {} : { dc: datacenter }
  // Without the default check of its node: with it, Consul ends the session as soon as it loses contact with the agent,
  // which the holder can't know.
  const request = { Name: name, TTL: `${ttlMs}ms`, LockDelay: `${lockDelayMs}ms`, Behavior: 'delete', NodeChecks: [] }
  const confirmedAt = performance.now()
  const { body } = await connection
    .run(({ client, headers, options: { ctx } }) => client._put({ path: '/session/create', query, body: request, headers, ctx }))
    .catch((error: SdError) => explainRefusal(error, connection, settings))
  const id = (body as { readonly ID?: unknown } | null)?.ID
  if (typeof id !== 'string') throw new SdError('SD_MALFORMED', `${name} created a session without an id`)
  const renew = async (): Promise<boolean> =>
    (await connection.run(
      ({ client, options }) => unlessMissing(client.session.renew({ ...options, ...query, id }), name),
      undefined,
      { urgent: true },
    )) !== undefined
  const { lost, end } = keepSession({ ttlMs, confirmedAt, renew })
  return {
    id,
    lost,
    async close() {
      end()
      await connection.run(({ client, options }) => client.session.destroy({ ...options, ...query, id }))
    },
  }
}

/** Default minimum time to live of a session on the servers, in milliseconds. */
const usualLeastTtlMs = 10_000

/**
 * Consul refuses an invalid time to live with the status of a server error. A time to live within the default limits
 * was refused for another reason.
 */
async function explainRefusal(
  error: SdError,
  connection: ConsulConnection,
  { ttlMs }: ResolvedConsulLockOptions,
): Promise<never> {
  if (ttlMs < usualLeastTtlMs && responseOf(error)?.status === 500) {
    const isHealthy = await connection.run(ping).then(
      () => true,
      () => false,
    )
    if (isHealthy) throw invalidError('ttlMs', ttlMs, "at least the servers' session_ttl_min, 10 s by default")
  }
  throw error
}

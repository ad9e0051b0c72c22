import { keepSession } from '@sd/adapter-kit'
import { type ConsulConnection, ping, responseOf, unlessMissing } from '@sd/connection-consul'
import { invalidError, SdError } from '@sd/core'
import type { ResolvedConsulLockOptions } from './options.ts'

/** A session on Consul that is renewed for as long as Consul can be reached. All locks of a client hang on it. */
export interface ConsulSession {
  /** Its id. */
  readonly id: string
  /** Fires when the session has ended, or may soon without our being able to renew it. */
  readonly lost: AbortSignal
  /** Ends it. */
  close(): Promise<void>
}

/** Opens a session. @throws SdError when Consul can't be reached */
export async function openSession(connection: ConsulConnection, settings: ResolvedConsulLockOptions): Promise<ConsulSession> {
  const { ttlMs, lockDelayMs, datacenter, name } = settings
  const query = datacenter === undefined ? {} : { dc: datacenter }
  // Without the default check of its node: Consul would end the session the moment it loses sight of the agent, which the holder can't know.
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

/** Least lifetime of a session on servers that say nothing else, in milliseconds. */
const usualLeastTtlMs = 10_000

/** Consul refuses a lifetime that it does not take with the status of a fault; one that it usually takes was not refused for that. */
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

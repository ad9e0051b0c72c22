import { type ConsulConnection, unlessMissing } from '@sd/connection-consul'
import { SdError, sleep } from '@sd/core'
import type { ConsulLockSettings } from './options.ts'

/** A session on Consul that is renewed for as long as Consul can be reached. All locks of a client hang on it. */
export interface Session {
  /** Its id. */
  readonly id: string
  /** Fires when the session has ended, or may soon without our being able to renew it. */
  readonly lost: AbortSignal
  /** Ends it. */
  close(): Promise<void>
}

/** Share of a lifetime after which a session that could not be renewed is given up: the rest is for stopping. */
const safeShare = 0.9

/** Opens a session. @throws SdError when Consul can't be reached */
export async function openSession(connection: ConsulConnection, settings: ConsulLockSettings): Promise<Session> {
  const { ttlMs, lockDelayMs, datacenter, name } = settings
  const query = datacenter === undefined ? {} : { dc: datacenter }
  // Without the default check of its node: Consul would end the session the moment it loses sight of the agent, which the holder can't know.
  const request = { Name: name, TTL: `${ttlMs}ms`, LockDelay: `${lockDelayMs}ms`, Behavior: 'delete', NodeChecks: [] }
  const confirmedAt = performance.now()
  const { body } = await connection.run(({ client, headers, options: { ctx } }) =>
    client._put({ path: '/session/create', query, body: request, headers, ctx }),
  )
  const id = (body as { readonly ID?: unknown } | null)?.ID
  if (typeof id !== 'string') throw new SdError('SD_MALFORMED', `${name} created a session without an id`)
  const lost = new AbortController()
  const dc = datacenter === undefined ? {} : { dc: datacenter }
  const renew = async (): Promise<boolean> =>
    (await connection.run(({ client, options }) => unlessMissing(client.session.renew({ ...options, ...dc, id }), name))) !==
    undefined
  void renewWhileItLives(renew, { lost, ttlMs, confirmedAt })
  return {
    id,
    lost: lost.signal,
    async close() {
      lost.abort()
      await connection.run(({ client, options }) => client.session.destroy({ ...options, ...dc, id }))
    },
  }
}

interface Lifetime {
  readonly lost: AbortController
  readonly ttlMs: number
  /** When Consul last confirmed it, by `performance.now()`: the moment before the request. */
  readonly confirmedAt: number
}

async function renewWhileItLives(renew: () => Promise<boolean>, { lost, ttlMs, confirmedAt }: Lifetime): Promise<void> {
  const giveUpAfter = (startedAt: number): NodeJS.Timeout =>
    setTimeout(() => lost.abort(), startedAt + ttlMs * safeShare - performance.now())
  let giveUp = giveUpAfter(confirmedAt)
  while (!lost.signal.aborted) {
    await sleep((ttlMs / 3) * (0.9 + Math.random() * 0.2), lost.signal, true).catch(() => undefined)
    if (lost.signal.aborted) break
    const startedAt = performance.now()
    try {
      if (!(await renew())) break
      clearTimeout(giveUp)
      giveUp = giveUpAfter(startedAt)
    } catch {
      // Tried again soon; the timer knows when it is too late.
    }
  }
  clearTimeout(giveUp)
  lost.abort()
}

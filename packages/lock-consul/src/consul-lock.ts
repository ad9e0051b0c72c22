import { assembleLock, type TakenLock, type TakeOptions, watchHeldLock } from '@sd/adapter-kit'
import { createConsulConnection, type Found, followQuery, type Query, queryOnce } from '@sd/connection-consul'
import { createBackoff, delayBeforeRetry, escapeName, type Lock, type LockHolder, SdError, sleep, withAnySignal } from '@sd/core'
import { createLocalQueue } from './local-queue.ts'
import { type ConsulLockOptions, resolveConsulLockOptions } from './options.ts'
import { type ConsulSession, openSession } from './session.ts'

/** A key as Consul lists it, as far as it is read here. */
interface Entry {
  readonly Session?: string
  readonly Value: string | null
  readonly ModifyIndex: number
}

/** Pause before a lock that nobody holds is asked for again, in milliseconds: Consul keeps it back for the lock delay. */
const heldBackMs = 500

/**
 * Locks on Consul: a key that a session holds. The key's index in Consul's log at the moment it was taken is the fencing token.
 *
 * @see https://developer.hashicorp.com/consul/docs/dynamic-app-config/sessions on what sessions promise
 * @throws SdError `SD_INVALID` that names the option
 */
export function createConsulLock(options: ConsulLockOptions = {}): Lock {
  const settings = resolveConsulLockOptions(options)
  const { prefix, datacenter, name, operationTimeoutMs } = settings
  const connection = createConsulConnection(settings)
  const local = createLocalQueue()
  const dc = datacenter === undefined ? {} : { dc: datacenter }
  let opening: Promise<ConsulSession> | undefined

  const pathOf = (key: string): string => `${prefix}/${escapeName(key)}`
  /** Asks the leader, and makes it sure that it is one. */
  const query =
    (key: string): Query =>
    ({ client }, call) =>
      client.kv.get({ ...call, ...dc, key: pathOf(key), consistent: true })

  /** The session that lives now, a new one if there is none. */
  async function getSession(): Promise<ConsulSession> {
    const before = opening
    const session = await before?.catch(() => undefined)
    if (session && !session.lost.aborted) return session
    // Another caller may have found out meanwhile.
    if (opening === before || opening === undefined) opening = openSession(connection, settings)
    return opening
  }

  /** Asks once. @returns the token, or `undefined` if somebody else has the lock or Consul keeps it back */
  async function contend({ id }: ConsulSession, key: string, value: string): Promise<bigint | undefined> {
    const { body } = await connection.run(({ client, headers, options: { ctx } }) =>
      client._put({
        path: '/kv/{key}',
        params: { key: pathOf(key) },
        query: { ...dc, acquire: id },
        body: Buffer.from(value),
        headers,
        ctx,
      }),
    )
    if (body !== true) return undefined
    const entry = readEntry(await queryOnce(connection, query(key)))
    if (entry?.Session !== id) throw new SdError('SD_UNAVAILABLE', `${name} took ${key} back at once`)
    return BigInt(entry.ModifyIndex)
  }

  /** Deletes the key if it is still as it was with `token`; without one, if it is ours at all. @returns false if somebody wrote to it meanwhile */
  async function remove({ id }: ConsulSession, key: string, token?: bigint): Promise<boolean> {
    let index = token
    if (index === undefined) {
      const entry = readEntry(await queryOnce(connection, query(key)))
      if (entry?.Session !== id) return true
      index = BigInt(entry.ModifyIndex)
    }
    const cas = String(index)
    const { body } = await connection.run(({ client, headers, options: { ctx } }) =>
      client._delete({ path: '/kv/{key}', params: { key: pathOf(key) }, query: { ...dc, cas }, headers, ctx }),
    )
    return body === true
  }

  /** Gives the lock back while its turn is ours. Whoever else writes to the key leaves it to our session, with an index that is not the token. */
  async function giveBack(session: ConsulSession, key: string, token: bigint): Promise<void> {
    const isGone = (await remove(session, key, token)) || (await remove(session, key))
    if (!isGone) throw new SdError('SD_UNAVAILABLE', `${name} has another value of ${key} again and again`)
  }

  /** Goes on removing while Consul is away and the session lives: nobody else could have the lock. */
  async function removeInTheEnd(session: ConsulSession, key: string, token?: bigint): Promise<void> {
    const backoff = createBackoff({ maxMs: 2_000 })
    while (!session.lost.aborted) {
      try {
        if (await remove(session, key, token)) return
        // Ours still, with another value, or another caller's of this client: that is known once it is our turn.
        if (token !== undefined) return await removeInTurn(session, key)
        await sleep(backoff.next(), session.lost).catch(() => undefined)
      } catch (error) {
        if (!SdError.isInstance(error) || !error.retryable) return
        await sleep(delayBeforeRetry(backoff, error), session.lost).catch(() => undefined)
      }
    }
  }

  /** Removes the key if it is ours while nobody of this client has it. */
  async function removeInTurn(session: ConsulSession, key: string): Promise<void> {
    const leave = await local.enter(key, session.lost)
    await removeInTheEnd(session, key).finally(leave)
  }

  /** The lock may be ours without our knowing: nobody of this client may ask for it before it is given back. */
  async function tidyUp(session: ConsulSession, key: string, leave: () => void): Promise<void> {
    await removeInTheEnd(session, key).finally(leave)
    // The request may even have been under way still.
    await sleep(operationTimeoutMs, session.lost)
    await removeInTurn(session, key)
  }

  /** Waits until nobody holds the key. Held by nobody from the start, it is one that Consul keeps back: that takes a pause. */
  async function waitUntilFree(key: string, signal: AbortSignal): Promise<void> {
    const free = new AbortController()
    let isFirst = true
    await withAnySignal([signal, free.signal], (either) =>
      followQuery(connection, query(key), {
        signal: either,
        async onFound(found) {
          const isHeld = readEntry(found)?.Session !== undefined
          if (!isHeld && isFirst) await sleep(heldBackMs * (0.75 + Math.random() * 0.5), signal)
          isFirst = false
          if (!isHeld) free.abort()
        },
      }),
    )
  }

  /** The lock as we have it: lost with the session, and with its key, which an operator may delete. @param leave lets the next one of this client ask */
  function hold(session: ConsulSession, key: string, token: bigint, leave: () => void): TakenLock {
    const { lost, end } = watchHeldLock({
      session: session.lost,
      follow: (signal, onGone) =>
        followQuery(connection, query(key), {
          signal,
          onFound: (found) => {
            if (readEntry(found)?.Session !== session.id) onGone()
          },
        }),
    })
    lost.addEventListener('abort', leave, { once: true })
    return {
      token,
      lost,
      async release() {
        end()
        lost.removeEventListener('abort', leave)
        if (!session.lost.aborted)
          await giveBack(session, key, token).catch(() => void removeInTheEnd(session, key, token).catch(() => undefined))
        leave()
      },
    }
  }

  async function take(key: string, { value, wait, signal }: TakeOptions): Promise<TakenLock | undefined> {
    if (!wait && local.isBusy(key)) return undefined
    const leave = await local.enter(key, signal)
    let isPassedOn = false
    try {
      const session = await getSession()
      for (;;) {
        isPassedOn = true
        const token = await contend(session, key, value).catch((error: unknown) => {
          void tidyUp(session, key, leave).catch(() => undefined)
          throw error
        })
        if (token !== undefined) return hold(session, key, token, leave)
        isPassedOn = false
        if (!wait) return undefined
        await withAnySignal([signal, session.lost], (either) => waitUntilFree(key, either)).catch((error: unknown) => {
          if (!session.lost.aborted) throw error
        })
        if (session.lost.aborted) throw new SdError('SD_UNAVAILABLE', `${name} lost its session while it waited for ${key}`)
      }
    } finally {
      if (!isPassedOn) leave()
    }
  }

  return assembleLock({
    name,
    operationTimeoutMs,
    take,
    read: async (key) => toHolder(await queryOnce(connection, query(key))),
    follow: (key, { offer, signal }) =>
      followQuery(connection, query(key), { signal, onFound: (found) => offer(toHolder(found) ?? null) }),
    async close() {
      const session = await opening?.catch(() => undefined)
      await session?.close().catch(() => undefined)
      connection.close()
    },
  })
}

function readEntry({ body }: Found): Entry | undefined {
  return (body ?? undefined) as Entry | undefined
}

function toHolder(found: Found): LockHolder | undefined {
  const entry = readEntry(found)
  return entry?.Session === undefined ? undefined : { value: entry.Value ?? '', token: BigInt(entry.ModifyIndex) }
}

import { randomUUID } from 'node:crypto'
import { assembleLock, type TakenLock, type TakeOptions, watchHeldLock } from '@sd/adapter-kit'
import { createEtcdConnection, followPrefix, listPrefix } from '@sd/connection-etcd'
import { escapeName, type Lock, SdError, withAnySignal } from '@sd/core'
import { removeContender, toHolder, turnOf } from './contenders.ts'
import { listHeldLocks } from './held-locks.ts'
import { type EtcdLockOptions, resolveEtcdLockOptions } from './options.ts'
import { type EtcdSession, openSession } from './session.ts'

/**
 * Creates locks on etcd. They are fair: contenders get the lock in the order of their requests. Each contender has a
 * key that is bound to its process's lease. The oldest key holds the lock, and its creation revision is the fencing
 * token.
 *
 * @see https://etcd.io/docs/v3.6/learning/why/ for the guarantees of locks with leases
 * @throws SdError `SD_INVALID` that names the option
 */
export function createEtcdLock(options: EtcdLockOptions = {}): Lock {
  const settings = resolveEtcdLockOptions(options)
  const { prefix, ttlMs, name, operationTimeoutMs } = settings
  const connection = createEtcdConnection(settings)
  let opening: Promise<EtcdSession> | undefined

  const folderOf = (key: string): string => `${prefix}/${escapeName(key)}/`

  /** Returns the current session, or opens a new one. */
  async function getSession(): Promise<EtcdSession> {
    const session = await opening?.catch(() => undefined)
    if (session && !session.lost.aborted) return session
    const next = openSession(connection, ttlMs)
    opening = next
    return next
  }

  async function take(key: string, { value, wait, signal }: TakeOptions): Promise<TakenLock | undefined> {
    const session = await getSession()
    const ownKey = `${folderOf(key)}${randomUUID()}`
    let isHeld = false
    try {
      await connection.run((client) => client.put(ownKey).value(value).lease(session.id).exec())
      const token = wait
        ? await withAnySignal([signal, session.lost], (either) => waitForTurn(session, key, ownKey, either))
        : turnOf(await connection.run((client) => listPrefix(client, folderOf(key))), ownKey)
      isHeld = token !== undefined
      return token === undefined ? undefined : hold(session, ownKey, token)
    } finally {
      if (!isHeld) await removeContender(connection, session, ownKey)
    }
  }

  /**
   * Returns the acquired lock. It is lost with the session, or with its key, which an operator can delete or, by a
   * write, detach from its lease.
   */
  function hold(session: EtcdSession, ownKey: string, token: bigint): TakenLock {
    const { lost, end } = watchHeldLock({
      session: session.lost,
      follow: (signal, onLost) =>
        followPrefix(connection, ownKey, {
          signal,
          keysOnly: true,
          onChange: ({ entries }) => {
            const own = entries.get(ownKey)
            if (own?.lease === session.id) return
            onLost()
            // Without our lease the key would stay forever and block all other contenders.
            if (own) void removeContender(connection, session, ownKey)
          },
        }),
    })
    return {
      token,
      lost,
      release: () => {
        end()
        return removeContender(connection, session, ownKey)
      },
    }
  }

  /** Follows the contenders until ours is the oldest. */
  async function waitForTurn(session: EtcdSession, key: string, ownKey: string, signal: AbortSignal): Promise<bigint> {
    const found = new AbortController()
    let token: bigint | undefined
    let removed = false
    await withAnySignal([signal, found.signal], (either) =>
      followPrefix(connection, folderOf(key), {
        signal: either,
        onChange: (all) => {
          removed = all.entries.get(ownKey)?.lease !== session.id
          token = removed ? undefined : turnOf(all, ownKey)
          if (removed || token !== undefined) found.abort()
        },
      }),
    )
    if (token !== undefined) return token
    throw new SdError(
      'SD_UNAVAILABLE',
      removed ? `${name} lost its place in the queue of ${key}` : `waiting for ${key} was ended`,
    )
  }

  return assembleLock({
    name,
    operationTimeoutMs,
    take,
    read: async (key) => toHolder(await connection.run((client) => listPrefix(client, folderOf(key)))),
    list: (beginning, limit, { signal }) => listHeldLocks(connection, { root: `${prefix}/`, prefix: beginning, limit }, signal),
    follow: (key, { offer, signal }) =>
      followPrefix(connection, folderOf(key), { signal, onChange: (all) => offer(toHolder(all) ?? null) }),
    async close() {
      const session = await opening?.catch(() => undefined)
      await session?.close().catch(() => undefined)
      connection.close()
    },
  })
}

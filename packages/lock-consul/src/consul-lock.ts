import { assembleLock, type TakenLock, type TakeOptions, watchHeldLock } from '@sd/adapter-kit'
import { createConsulConnection } from '@sd/connection-consul'
import { type Lock, SdError, withAnySignal } from '@sd/core'
import { createLocalQueue } from './local-queue.ts'
import { LockKeys } from './lock-keys.ts'
import { LockRemoval } from './lock-removal.ts'
import { type ConsulLockOptions, resolveConsulLockOptions } from './options.ts'
import { type ConsulSession, openSession } from './session.ts'

/**
 * Creates locks on Consul: a key that a session holds. The key's index in Consul's log when it was acquired is the
 * fencing token.
 *
 * @see https://developer.hashicorp.com/consul/docs/dynamic-app-config/sessions for the guarantees of sessions
 * @throws SdError `SD_INVALID` that names the option
 */
export function createConsulLock(options: ConsulLockOptions = {}): Lock {
  const settings = resolveConsulLockOptions(options)
  const { name, operationTimeoutMs } = settings
  const connection = createConsulConnection(settings)
  const local = createLocalQueue()
  const keys = new LockKeys(settings, connection)
  const removal = new LockRemoval(settings, keys, local)
  let opening: Promise<ConsulSession> | undefined

  /** Returns the current session, or opens a new one. */
  async function getSession(): Promise<ConsulSession> {
    const before = opening
    const session = await before?.catch(() => undefined)
    if (session && !session.lost.aborted) return session
    // Another caller may have opened one in the meantime.
    if (opening === before || opening === undefined) opening = openSession(connection, settings)
    return opening
  }

  /**
   * Returns the acquired lock. It is lost with the session, or with its key, which an operator can delete. @param leave
   * lets the next caller of this client try
   */
  function hold(session: ConsulSession, key: string, token: bigint, leave: () => void): TakenLock {
    const { lost, end } = watchHeldLock({
      session: session.lost,
      follow: (signal, onLost) => keys.followLoss(key, session, signal, onLost),
    })
    lost.addEventListener('abort', leave, { once: true })
    return {
      token,
      lost,
      async release() {
        end()
        lost.removeEventListener('abort', leave)
        if (!session.lost.aborted)
          await removal
            .giveBack(session, key, token)
            .catch(() => void removal.removeInTheEnd(session, key, token).catch(() => undefined))
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
        const token = await keys.contend(session, key, value).catch((error: unknown) => {
          void removal.tidyUp(session, key, leave).catch(() => undefined)
          throw error
        })
        if (token !== undefined) return hold(session, key, token, leave)
        isPassedOn = false
        if (!wait) return undefined
        await withAnySignal([signal, session.lost], (either) => keys.waitUntilFree(key, either)).catch((error: unknown) => {
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
    read: (key) => keys.holderOf(key),
    list: (prefix, limit, { signal }) => keys.list(prefix, limit, signal),
    follow: (key, { offer, signal }) => keys.followHolder(key, signal, (holder) => offer(holder ?? null)),
    async close() {
      const session = await opening?.catch(() => undefined)
      await session?.close().catch(() => undefined)
      connection.close()
    },
  })
}

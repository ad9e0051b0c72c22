import { assembleLock, type LockAdapter } from '@sd/adapter-kit'
import { type Lock, type LockHolder, type LockList, SdError } from '@sd/core'
import type { LockBackend } from '../lock-contract.ts'

/** Ways to break the reference, to see whether the contract detects it. */
export type LockMutation =
  | 'none'
  | 'has two holders at once'
  | 'has tokens that do not grow'
  | 'mixes up names'
  | 'keeps the place of an aborted waiter'
  | 'hides a loss'
  | 'hides a deletion'
  | 'releases the lock of the next holder'
  | 'does not renew'
  | 'reports no change'
  | 'is free in an outage'
  | 'keeps locks after close'
  | 'lists every place'
  | 'lists beyond the prefix'
  | 'hides that a list is truncated'
  | 'lists nothing in an outage'
  | 'can not list'

/** A session of a client. Its locks are released after its lifetime without contact. */
interface Session {
  readonly lost: AbortController
  readonly isConnected: () => boolean
  renewedAt: number
}

/** A contender of a lock; the first one in the queue holds it. */
interface Place {
  readonly session: Session
  readonly holder: LockHolder
  readonly lost: AbortController
}

/** The queues of the reference locks, and the sessions of their places. */
class ReferencePlaces {
  readonly sessions = new Set<Session>()
  readonly #listeners = new Set<() => void>()
  readonly #queues = new Map<string, Place[]>()
  readonly #sessionTtlMs: number
  readonly #mutation: LockMutation

  constructor(sessionTtlMs: number, mutation: LockMutation) {
    this.#sessionTtlMs = sessionTtlMs
    this.#mutation = mutation
  }

  queueOf(key: string): Place[] {
    const name = this.#mutation === 'mixes up names' ? key.slice(0, 1) : key
    const queue = this.#queues.get(name) ?? []
    this.#queues.set(name, queue)
    return queue
  }
  list(prefix: string, limit: number): LockList {
    const locks = [...this.#queues]
      .filter(([key]) => key.startsWith(prefix) || this.#mutation === 'lists beyond the prefix')
      .flatMap(([key, queue]) =>
        queue.slice(0, this.#mutation === 'lists every place' ? undefined : 1).map(({ holder }) => ({ key, ...holder })),
      )
    const isTruncated = locks.length > limit && this.#mutation !== 'hides that a list is truncated'
    return { locks: locks.slice(0, limit), isTruncated }
  }
  async follow(key: string, offer: (holder: LockHolder | null) => void, untilEnd: () => Promise<void>): Promise<void> {
    const read = (): void => offer(this.queueOf(key)[0]?.holder ?? null)
    read()
    if (this.#mutation !== 'reports no change') this.#listeners.add(read)
    await untilEnd()
    this.#listeners.delete(read)
  }
  delete(key: string): void {
    const [place] = this.queueOf(key).splice(0, 1)
    if (this.#mutation !== 'hides a deletion') place?.lost.abort()
    this.changed()
  }
  changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }
  waitUntil(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isDone() && !signal.aborted) return
        this.#listeners.delete(look)
        signal.removeEventListener('abort', look)
        resolve()
      }
      this.#listeners.add(look)
      signal.addEventListener('abort', look)
      look()
    })
  }
  expire(session: Session): void {
    this.sessions.delete(session)
    for (const queue of this.#queues.values())
      queue.splice(0, queue.length, ...queue.filter((place) => place.session !== session))
    this.changed()
  }

  tick(): void {
    for (const session of [...this.sessions]) {
      const { lost, isConnected } = session
      if (isConnected() && !lost.signal.aborted && this.#mutation !== 'does not renew') session.renewedAt = performance.now()
      const silenceMs = performance.now() - session.renewedAt
      if (silenceMs > this.#sessionTtlMs / 2 && this.#mutation !== 'hides a loss') lost.abort()
      if (silenceMs > this.#sessionTtlMs) this.expire(session)
    }
  }

  leave(queue: Place[], place: Place): void {
    const index = this.#mutation === 'releases the lock of the next holder' ? 0 : queue.indexOf(place)
    if (index >= 0) queue.splice(index, 1)
    this.changed()
  }
}

/** Creates the simplest locks that meet the contract, unless they are broken on purpose. */
export function createReferenceLocks(sessionTtlMs: number, mutation: LockMutation = 'none'): LockBackend {
  const places = new ReferencePlaces(sessionTtlMs, mutation)
  const { sessions } = places
  const links = new Map<Lock, (connected: boolean) => void>()
  let lastToken = 0n

  // One timer for both sides, so that a standstill of the machine can't delay the signal beyond the loss.
  const clock = setInterval(() => places.tick(), 20).unref()

  function open(): Lock {
    let connected = true
    let closing = false
    let session: Session | undefined

    function reach(): void {
      if (!connected) throw new SdError('SD_UNAVAILABLE', 'reference is unreachable')
    }
    function getSession(): Session {
      if (!session || session.lost.signal.aborted) {
        session = { lost: new AbortController(), isConnected: () => connected, renewedAt: performance.now() }
        sessions.add(session)
      }
      return session
    }

    const take: LockAdapter['take'] = async (key, { value, wait, signal }) => {
      const queue = places.queueOf(key)
      const isFree = (place?: Place): boolean => queue[0] === place || mutation === 'has two holders at once'
      if (mutation !== 'is free in an outage') reach()
      else if (!connected) return { token: ++lastToken, lost: new AbortController().signal, release: async () => undefined }
      if (!wait && !isFree()) return undefined
      const { lost } = getSession()
      const token = mutation === 'has tokens that do not grow' ? 1n : ++lastToken
      const place: Place = { session: getSession(), holder: { value, token }, lost: new AbortController() }
      lost.signal.addEventListener('abort', () => place.lost.abort(), { once: true })
      queue.push(place)
      places.changed()
      await places.waitUntil(() => connected && isFree(place), AbortSignal.any([signal, lost.signal]))
      if (!connected || !isFree(place)) {
        if (mutation !== 'keeps the place of an aborted waiter') places.leave(queue, place)
        throw new SdError('SD_UNAVAILABLE', `gave up waiting for ${key}`)
      }
      return {
        token,
        lost: place.lost.signal,
        async release() {
          if (closing && mutation === 'keeps locks after close') return
          const left = places.waitUntil(() => connected, lost.signal).then(() => places.leave(queue, place))
          if (connected) await left
        },
      }
    }

    const assembled = assembleLock({
      name: 'reference',
      operationTimeoutMs: 500,
      backoff: { baseMs: 20, maxMs: 50 },
      take,
      async read(key) {
        if (mutation !== 'is free in an outage') reach()
        return connected ? places.queueOf(key)[0]?.holder : undefined
      },
      ...(mutation !== 'can not list' && {
        async list(prefix: string, limit: number) {
          if (mutation !== 'lists nothing in an outage') reach()
          return connected ? places.list(prefix, limit) : { locks: [], isTruncated: false }
        },
      }),
      async follow(key, { offer, signal }) {
        reach()
        await places.follow(key, offer, () => places.waitUntil(() => !connected, signal))
        reach()
      },
      async close() {
        if (session && mutation !== 'keeps locks after close') places.expire(session)
      },
    })
    const lock: Lock = {
      ...assembled,
      close() {
        closing = true
        return assembled.close()
      },
    }
    links.set(lock, (next) => {
      connected = next
      places.changed()
    })
    return lock
  }

  return {
    open: async () => open(),
    setConnected: (lock, connected) => links.get(lock)?.(connected),
    deleteKey: async (key) => places.delete(key),
    dispose: async () => clearInterval(clock),
  }
}

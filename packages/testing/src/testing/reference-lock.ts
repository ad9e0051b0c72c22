import { assembleLock, type LockAdapter } from '@sd/adapter-kit'
import { type Lock, type LockHolder, SdError } from '@sd/core'
import type { LockBackend } from '../lock-contract.ts'

/** Ways in which the reference can be broken, to see whether the contract notices. */
export type LockMutation =
  | 'none'
  | 'has two holders at once'
  | 'has tokens that do not grow'
  | 'mixes up names'
  | 'leaves the place of who gave up'
  | 'hides a loss'
  | 'hides a deletion'
  | 'releases the lock of the next holder'
  | 'does not renew'
  | 'tells of no change'
  | 'is free when away'
  | 'keeps locks after close'

/** What a client's locks hang on: without contact for its lifetime they are free again. */
interface Session {
  readonly lost: AbortController
  readonly isConnected: () => boolean
  renewedAt: number
}

/** A contender of a lock; the first in its queue holds it. */
interface Place {
  readonly session: Session
  readonly holder: LockHolder
  readonly lost: AbortController
}

/** The simplest locks that keep the contract, unless they are broken on purpose. */
export function createReferenceLocks(sessionTtlMs: number, mutation: LockMutation = 'none'): LockBackend {
  const queues = new Map<string, Place[]>()
  const sessions = new Set<Session>()
  const listeners = new Set<() => void>()
  const links = new Map<Lock, (connected: boolean) => void>()
  let lastToken = 0n

  function queueOf(key: string): Place[] {
    const name = mutation === 'mixes up names' ? key.slice(0, 1) : key
    const queue = queues.get(name) ?? []
    queues.set(name, queue)
    return queue
  }
  function changed(): void {
    for (const listener of [...listeners]) listener()
  }
  function waitUntil(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isDone() && !signal.aborted) return
        listeners.delete(look)
        signal.removeEventListener('abort', look)
        resolve()
      }
      listeners.add(look)
      signal.addEventListener('abort', look)
      look()
    })
  }
  function expire(session: Session): void {
    sessions.delete(session)
    for (const queue of queues.values()) queue.splice(0, queue.length, ...queue.filter((place) => place.session !== session))
    changed()
  }
  // One timer for both sides, so that a machine that stands still does not make a loss overtake its signal.
  const clock = setInterval(() => {
    for (const session of [...sessions]) {
      const { lost, isConnected } = session
      if (isConnected() && !lost.signal.aborted && mutation !== 'does not renew') session.renewedAt = performance.now()
      const silenceMs = performance.now() - session.renewedAt
      if (silenceMs > sessionTtlMs / 2 && mutation !== 'hides a loss') lost.abort()
      if (silenceMs > sessionTtlMs) expire(session)
    }
  }, 20)
  clock.unref()

  function open(): Lock {
    let connected = true
    let closing = false
    let session: Session | undefined

    function reach(): void {
      if (!connected) throw new SdError('SD_UNAVAILABLE', 'reference is away')
    }
    function getSession(): Session {
      if (!session || session.lost.signal.aborted) {
        session = { lost: new AbortController(), isConnected: () => connected, renewedAt: performance.now() }
        sessions.add(session)
      }
      return session
    }
    function leave(queue: Place[], place: Place): void {
      const index = mutation === 'releases the lock of the next holder' ? 0 : queue.indexOf(place)
      if (index >= 0) queue.splice(index, 1)
      changed()
    }

    const take: LockAdapter['take'] = async (key, { value, wait, signal }) => {
      const queue = queueOf(key)
      const isFree = (place?: Place): boolean => queue[0] === place || mutation === 'has two holders at once'
      if (mutation !== 'is free when away') reach()
      else if (!connected) return { token: ++lastToken, lost: new AbortController().signal, release: async () => undefined }
      if (!wait && !isFree()) return undefined
      const { lost } = getSession()
      const token = mutation === 'has tokens that do not grow' ? 1n : ++lastToken
      const place: Place = { session: getSession(), holder: { value, token }, lost: new AbortController() }
      lost.signal.addEventListener('abort', () => place.lost.abort(), { once: true })
      queue.push(place)
      changed()
      await waitUntil(() => connected && isFree(place), AbortSignal.any([signal, lost.signal]))
      if (!connected || !isFree(place)) {
        if (mutation !== 'leaves the place of who gave up') leave(queue, place)
        throw new SdError('SD_UNAVAILABLE', `gave up waiting for ${key}`)
      }
      return {
        token,
        lost: place.lost.signal,
        async release() {
          if (closing && mutation === 'keeps locks after close') return
          const left = waitUntil(() => connected, lost.signal).then(() => leave(queue, place))
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
        if (mutation !== 'is free when away') reach()
        return connected ? queueOf(key)[0]?.holder : undefined
      },
      async follow(key, { offer, signal }) {
        reach()
        const read = (): void => offer(queueOf(key)[0]?.holder ?? null)
        read()
        if (mutation !== 'tells of no change') listeners.add(read)
        await waitUntil(() => !connected, signal)
        listeners.delete(read)
        reach()
      },
      async close() {
        if (session && mutation !== 'keeps locks after close') expire(session)
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
      changed()
    })
    return lock
  }

  return {
    open: async () => open(),
    setConnected: (lock, connected) => links.get(lock)?.(connected),
    takeAway: async (key) => {
      const [place] = queueOf(key).splice(0, 1)
      if (mutation !== 'hides a deletion') place?.lost.abort()
      changed()
    },
    dispose: async () => clearInterval(clock),
  }
}

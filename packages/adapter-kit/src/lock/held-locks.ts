import { answerInquiries, type LockHandle, masking, publishTelemetry } from '@sd/core'

/** A lock that was acquired in the backend. */
export interface TakenLock {
  /** Fencing token: it increases with every acquisition of the key. */
  readonly token: bigint
  /** Aborts when another process may hold the lock. */
  readonly lost: AbortSignal
  /** Releases the lock. Keeps trying in the background while the backend is unreachable and the session has not expired. */
  release(): Promise<void>
}

interface NewLock {
  readonly key: string
  readonly value: string
  readonly taken: TakenLock
}

/** The locks that one `Lock` holds. */
export interface HeldLocks {
  /** Adds a lock until it is released or lost. @returns its handle */
  add(lock: NewLock): LockHandle
  /** Releases all of them, and ends. */
  release(): Promise<unknown>
}

/** Keeps the held locks, publishes their states, and answers inquiries about them. @param lock name of the `Lock` */
export function createHeldLocks(lock: string): HeldLocks {
  /** With the time of their acquisition, in Unix milliseconds. */
  const handles = new Map<LockHandle, number>()
  const endAnswers = answerInquiries('locks', () =>
    Array.from(handles, ([{ key, value, token }, since]) => {
      return { lock, key, value: masking.text(value), token: String(token), since }
    }),
  )

  return {
    add({ key, value, taken }) {
      const { token, lost } = taken
      const over = new AbortController()
      let releasing: Promise<void> | undefined
      const end = (state: 'released' | 'lost'): void => {
        handles.delete(handle)
        over.abort()
        publishTelemetry('sd:v1:lock:state', { lock, key, state, token: String(token) })
      }
      const lose = (): void => end('lost')
      const handle: LockHandle = {
        key,
        value,
        token,
        signal: over.signal,
        release() {
          if (!releasing) {
            lost.removeEventListener('abort', lose)
            if (!over.signal.aborted) end('released')
            releasing = taken.release()
          }
          return releasing
        },
        [Symbol.asyncDispose]: () => handle.release(),
      }
      handles.set(handle, Date.now())
      publishTelemetry('sd:v1:lock:state', { lock, key, state: 'acquired', token: String(token) })
      lost.addEventListener('abort', lose, { once: true })
      if (lost.aborted) lose()
      return handle
    },
    release() {
      endAnswers()
      return Promise.allSettled([...handles.keys()].map((handle) => handle.release()))
    },
  }
}

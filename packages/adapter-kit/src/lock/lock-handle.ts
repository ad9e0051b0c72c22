import { type LockHandle, publishTelemetry } from '@sd/core'

/** A lock that was acquired in the backend. */
export interface TakenLock {
  /** Fencing token: it increases with every acquisition of the key. */
  readonly token: bigint
  /** Aborts when another process may hold the lock. */
  readonly lost: AbortSignal
  /** Releases the lock. Keeps trying in the background while the backend is unreachable and the session has not expired. */
  release(): Promise<void>
}

interface NewHandle {
  /** Name of the lock's backend. */
  readonly lock: string
  readonly key: string
  readonly value: string
  readonly taken: TakenLock
  readonly handles: Set<LockHandle>
}

/** Creates the handle of a lock. It stays in `handles` until the lock is released or lost. */
export function createHandle({ lock, key, value, taken, handles }: NewHandle): LockHandle {
  const { token, lost } = taken
  const over = new AbortController()
  let releasing: Promise<void> | undefined
  const report = (state: 'acquired' | 'released' | 'lost'): void =>
    publishTelemetry('sd:v1:lock:state', { lock, key, state, token: String(token) })
  const end = (): void => {
    handles.delete(handle)
    over.abort()
  }
  const lose = (): void => {
    end()
    report('lost')
  }
  const handle: LockHandle = {
    key,
    value,
    token,
    signal: over.signal,
    release() {
      if (!releasing) {
        lost.removeEventListener('abort', lose)
        if (!over.signal.aborted) {
          end()
          report('released')
        }
        releasing = taken.release()
      }
      return releasing
    },
    [Symbol.asyncDispose]: () => handle.release(),
  }
  handles.add(handle)
  report('acquired')
  lost.addEventListener('abort', lose, { once: true })
  if (lost.aborted) lose()
  return handle
}

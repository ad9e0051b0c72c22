import type { OperationOptions } from '../async/operation-options.ts'
import type { Watched } from '../async/watched.ts'

/** Options of {@link Lock.acquire}. */
export interface AcquireOptions extends OperationOptions {
  /** What others see of the holder, such as its address; at most 4,096 characters. @default '' */
  readonly value?: string
  /** How long to wait for the lock, in milliseconds. @default no limit but the signal */
  readonly timeoutMs?: number
}

/** Who holds a lock. */
export interface LockHolder {
  /** What the holder says of itself. */
  readonly value: string
  /** The holder's fencing token. */
  readonly token: bigint
}

/** A lock that is held. Its end is an event: watch `signal` for as long as you rely on the lock. */
export interface LockHandle extends LockHolder, AsyncDisposable {
  /** Name of the lock. */
  readonly key: string
  /**
   * Fires when the lock is released, or may be lost: its session could not be renewed for so long that somebody else may hold it by now.
   * By then stop what the lock protects.
   */
  readonly signal: AbortSignal
  /**
   * Grows with every acquisition of this lock. Send it along with every write, and let the store refuse a lower one than it has seen:
   * no lock can protect a holder that was paused from writing late.
   */
  readonly token: bigint
  /** Gives the lock back. Idempotent. A backend that is away does it by itself, once the session ends. */
  release(): Promise<void>
}

/** Locks on one backend. At most one handle per key is valid at any time, in all processes; a lock can't be taken twice by the same. */
export interface Lock extends AsyncDisposable {
  /** Name for logs. */
  readonly name: string
  /**
   * Waits for the lock.
   *
   * @throws SdError `SD_TIMEOUT` after `timeoutMs`, `SD_ABORTED`, `SD_DENIED`, `SD_CLOSED`. While the backend is away it goes on trying.
   */
  acquire(key: string, options?: AcquireOptions): Promise<LockHandle>
  /** Takes the lock if nobody has it. @returns `undefined` if somebody does @throws SdError `SD_UNAVAILABLE` when the backend is away */
  tryAcquire(key: string, options?: AcquireOptions): Promise<LockHandle | undefined>
  /** Who holds the lock now; `undefined` if nobody does. @throws SdError when the backend can't answer */
  holder(key: string, options?: OperationOptions): Promise<LockHolder | undefined>
  /** Follows who holds the lock: yields the holder now, then every change; `null` is nobody. Ends when aborted or closed. */
  watchHolder(key: string, options?: OperationOptions): AsyncIterable<Watched<LockHolder | null>>
  /** Releases every lock that it holds and closes the connection. Idempotent and bounded in time. */
  close(): Promise<void>
}

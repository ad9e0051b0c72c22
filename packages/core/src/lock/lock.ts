import type { OperationOptions } from '../async/operation-options.ts'
import type { Watched } from '../async/watched.ts'

/** Options of {@link Lock.acquire}. */
export interface AcquireOptions extends OperationOptions {
  /** Text that other processes see, such as the address of the holder; at most 4,096 characters. @default '' */
  readonly value?: string
  /** How long to wait for the lock, in milliseconds. @default no limit but the signal */
  readonly timeoutMs?: number
}

/** The holder of a lock. */
export interface LockHolder {
  /** The text that the holder passed to `acquire`. */
  readonly value: string
  /** The holder's fencing token. */
  readonly token: bigint
}

/** A held lock. It can be lost: watch `signal` as long as you rely on the lock. */
export interface LockHandle extends LockHolder, AsyncDisposable {
  /** Name of the lock. */
  readonly key: string
  /**
   * Aborts when the lock is released or may be lost: its session could not be renewed for so long that another process
   * may hold it. Stop the protected work by then.
   */
  readonly signal: AbortSignal
  /**
   * Fencing token: it increases with every acquisition of this lock. Send it with every write, and let the store reject a
   * token lower than the highest it has seen. No lock can keep a paused holder from writing late.
   */
  readonly token: bigint
  /** Releases the lock. Idempotent. If the backend is unreachable, it releases the lock when the session expires. */
  release(): Promise<void>
}

/** A lock that a process holds, as another process sees it. */
export interface HeldLock extends LockHolder {
  /** Name of the lock. */
  readonly key: string
}

/** Options of {@link Lock.list}. */
export interface ListLocksOptions extends OperationOptions {
  /** Maximum number of locks, 1 to 10,000. @default 1_000 */
  readonly limit?: number
}

/** Held locks. */
export interface LockList {
  /** The locks, each with its holder at the time when it was read. */
  readonly locks: readonly HeldLock[]
  /** Whether there are more locks than the limit. */
  readonly isTruncated: boolean
}

/** What a lock supports. */
export interface LockCapabilities {
  /** Whether the backend can list the held locks. */
  readonly list: boolean
}

/** Locks in one backend. At any time at most one handle per key is valid across all processes. Locks are not reentrant. */
export interface Lock extends AsyncDisposable {
  /** Name for logs. */
  readonly name: string
  readonly capabilities: LockCapabilities
  /**
   * Waits for the lock.
   *
   * @throws SdError `SD_TIMEOUT` after `timeoutMs`, `SD_ABORTED`, `SD_DENIED`, `SD_CLOSED`. It keeps trying while the
   * backend is unreachable.
   */
  acquire(key: string, options?: AcquireOptions): Promise<LockHandle>
  /**
   * Acquires the lock if it is free. @returns `undefined` if it is held @throws SdError `SD_UNAVAILABLE` if the backend
   * is unreachable
   */
  tryAcquire(key: string, options?: AcquireOptions): Promise<LockHandle | undefined>
  /** Returns the current holder, or `undefined` if the lock is free. @throws SdError if the backend can't be read */
  holder(key: string, options?: OperationOptions): Promise<LockHolder | undefined>
  /** Watches the holder: yields the current one, then every change; `null` if the lock is free. Ends on abort and close. */
  watchHolder(key: string, options?: OperationOptions): AsyncIterable<Watched<LockHolder | null>>
  /**
   * Lists the held locks whose names begin with `prefix`; `''` lists all. Locks that are acquired or released while the
   * backend is read may be missing.
   *
   * @throws SdError `SD_UNSUPPORTED` if `capabilities.list` is false
   */
  list(prefix: string, options?: ListLocksOptions): Promise<LockList>
  /** Releases all held locks and closes the connection. Idempotent and bounded in time. */
  close(): Promise<void>
}

import {
  type AcquireOptions,
  abortError,
  type BackoffOptions,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkText,
  closedError,
  createBackoff,
  createWatchHub,
  delayBeforeRetry,
  type ListLocksOptions,
  type Lock,
  type LockHandle,
  type LockHolder,
  type LockList,
  SdError,
  settlesWithin,
  sleep,
  toSdError,
  type WatchSession,
  withAnySignal,
  withTimeout,
} from '@sd/core'
import { createHeldLocks, type TakenLock } from './held-locks.ts'

/** Options of {@link LockAdapter.take}. */
export interface TakeOptions {
  /** Text that other processes see. */
  readonly value: string
  /** Whether to wait while the lock is held. If false and the lock is held, `take` returns `undefined`. */
  readonly wait: boolean
  /** Aborts when the caller gives up. Nothing may remain in the backend then. */
  readonly signal: AbortSignal
}

/** What a lock adapter implements; {@link assembleLock} adds the rest. */
export interface LockAdapter {
  /** Name for messages. */
  readonly name: string
  /** Acquires a lock, or throws. Retryable errors are retried while the caller waits. */
  take(key: string, options: TakeOptions): Promise<TakenLock | undefined>
  /** Returns the current holder. */
  read(key: string): Promise<LockHolder | undefined>
  /**
   * Lists held locks whose names begin with `prefix`, at most `limit`. It also limits what it reads from the backend, if
   * the backend can do that. @default the lock does not support it
   */
  list?(prefix: string, limit: number, options: { readonly signal: AbortSignal }): Promise<LockList>
  /** Runs one session of watching the holder, see `WatchHubOptions.session`. */
  follow(key: string, session: WatchSession<LockHolder | null>): Promise<void>
  /** Releases the backend, after all locks were released. */
  close(): Promise<void>
  /** Time limit of one operation, in milliseconds. */
  readonly operationTimeoutMs: number
  /** Delays between attempts. @default 200 ms to 2 s */
  readonly backoff?: BackoffOptions
}

/** Default of `ListLocksOptions.limit`. */
const usualListLimit = 1_000

/** Time limit of each step of closing, in milliseconds. */
const closeLimitMs = 1_000

/** Creates a `Lock` from an adapter: waiting, retries, time limits, watches and closing. */
export function assembleLock(adapter: LockAdapter): Lock {
  const { name, operationTimeoutMs, backoff: backoffOptions = { maxMs: 2_000 } } = adapter
  const held = createHeldLocks(name)
  const ended = new AbortController()
  let closing: Promise<void> | undefined
  const holders = createWatchHub<LockHolder | null>({
    name,
    backoff: backoffOptions,
    session: (key, { offer, previous, ...rest }) =>
      adapter.follow(key, {
        ...rest,
        previous,
        offer: (holder) => offer(previous()?.token === holder?.token ? (previous() ?? null) : holder),
      }),
  })

  function checkRequest(key: string, options: AcquireOptions): string {
    const value = checkAcquisition(key, options)
    if (closing) throw closedError(name)
    return value
  }

  const during: During = (options, what, operation) => runWithin({ name, ended: ended.signal }, options, what, operation)

  /** Like `during`. A lock acquired after the caller gave up is released. */
  async function obtain<T extends LockHandle | undefined>(
    options: AcquireOptions,
    what: string,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    let pending: Promise<LockHandle | undefined> = Promise.resolve(undefined)
    try {
      return await during(options, what, (signal) => {
        const attempted = attempt(signal)
        pending = attempted
        return attempted
      })
    } catch (error) {
      void pending.then((late) => late?.release()).catch(() => undefined)
      throw error
    }
  }

  async function close(): Promise<void> {
    ended.abort()
    await settlesWithin(held.release(), closeLimitMs)
    await settlesWithin(holders.close(), closeLimitMs)
    await settlesWithin(adapter.close(), closeLimitMs)
  }

  const lock: Lock = {
    name,
    capabilities: { list: adapter.list !== undefined },
    async acquire(key, options = {}) {
      const value = checkRequest(key, options)
      return obtain(options, `waiting for ${key}`, (signal) =>
        takeRepeatedly(adapter, { key, value, signal, backoff: backoffOptions }).then((taken) => held.add({ key, value, taken })),
      )
    },
    async tryAcquire(key, options = {}) {
      const value = checkRequest(key, options)
      const limits = { ...options, timeoutMs: options.timeoutMs ?? operationTimeoutMs }
      return obtain(limits, `acquiring ${key}`, async (signal) => {
        const taken = await adapter.take(key, { value, wait: false, signal })
        return taken && held.add({ key, value, taken })
      })
    },
    async holder(key, options = {}) {
      checkRequest(key, options)
      return during({ ...options, timeoutMs: operationTimeoutMs }, `reading ${key}`, () => adapter.read(key))
    },
    watchHolder(key, options) {
      checkRequest(key, {})
      return holders.watch(key, options)
    },
    async list(prefix, options = {}) {
      const limit = checkListing(prefix, options)
      if (closing) throw closedError(name)
      return during({ ...options, timeoutMs: operationTimeoutMs }, 'listing locks', async (signal) => {
        if (adapter.list) return adapter.list(prefix, limit, { signal })
        throw new SdError('SD_UNSUPPORTED', `${name} can't list locks`)
      })
    },
    close() {
      closing ??= close()
      return closing
    },
    [Symbol.asyncDispose]: () => lock.close(),
  }
  return lock
}

/** Runs an operation of a lock, see {@link runWithin}. */
type During = <T>(options: AcquireOptions, what: string, operation: (signal: AbortSignal) => Promise<T>) => Promise<T>

/** Runs `operation` with a signal that combines the caller's signal, the time limit and the end of the lock. */
async function runWithin<T>(
  { name, ended }: { readonly name: string; readonly ended: AbortSignal },
  { signal, timeoutMs }: AcquireOptions,
  what: string,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw abortError(signal, what)
  try {
    return await withAnySignal([signal, ended], (either) => withTimeout({ timeoutMs, what, signal: either }, operation))
  } catch (error) {
    if (ended.aborted) throw closedError(name)
    if (signal?.aborted) throw abortError(signal, what)
    throw toSdError(error, 'SD_UNAVAILABLE', what)
  }
}

/** Checks the arguments of `Lock.acquire`. @returns the value */
function checkAcquisition(key: string, { value = '', timeoutMs }: AcquireOptions): string {
  checkName('key', key)
  checkText('value', value, 4_096)
  if (timeoutMs !== undefined) checkDuration('timeoutMs', timeoutMs, 1)
  return value
}

/** Checks the arguments of `Lock.list`. @returns the limit */
function checkListing(prefix: string, options: ListLocksOptions): number {
  checkText('prefix', prefix, 255)
  checkKnownKeys('', options, ['limit', 'signal'])
  return checkInteger('limit', options.limit ?? usualListLimit, { min: 1, max: 10_000 })
}

interface RepeatedTake {
  readonly key: string
  readonly value: string
  readonly signal: AbortSignal
  readonly backoff: BackoffOptions
}

/** Acquires a lock, and repeats attempts that fail with a retryable error. */
async function takeRepeatedly(
  adapter: LockAdapter,
  { key, value, signal, backoff: backoffOptions }: RepeatedTake,
): Promise<TakenLock> {
  const backoff = createBackoff(backoffOptions)
  for (;;) {
    let failure: unknown
    try {
      const taken = await adapter.take(key, { value, wait: true, signal })
      if (taken) return taken
    } catch (error) {
      if (signal.aborted || !(error instanceof SdError) || !error.retryable) throw error
      failure = error
    }
    await sleep(delayBeforeRetry(backoff, failure), signal, true)
  }
}

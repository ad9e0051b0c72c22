import { closedError, createBackoff, SdError, settlesWithin, sleep, toSdError } from '@sd/core'
import { toZooKeeperError } from './errors.ts'
import { MemberDialer, provideCredentials } from './member-dialer.ts'
import type { ResolvedZooKeeperConnectionOptions } from './options.ts'
import type { ZooKeeperClient } from './zookeeper-client.ts'

/** A session that outlives its connections, and is begun anew when it is over. */
export interface ZooKeeperConnection {
  /**
   * Runs `operation` on the connection, waiting for the attempt to connect that is under way; fails at once between attempts. Runs it once
   * more if it was denied and there are other credentials by now.
   *
   * @throws SdError that says what the failure means
   */
  run<T>(operation: (connection: ZooKeeperClient) => Promise<T>): Promise<T>
  /** Ends the session and its connection. Bounded in time. */
  close(): Promise<void>
}

/** Options of {@link createZooKeeperConnection}. */
export interface ZooKeeperConnectionInit {
  /** How to reach the ensemble. */
  readonly settings: ResolvedZooKeeperConnectionOptions
  /** A connection was made. */
  readonly onConnected?: () => void
  /** A connection was lost, and with it perhaps the session. */
  readonly onLost?: (error: SdError) => void
}

/** A connection that lasts so long is no part of a series of failures, in milliseconds. */
const stableAfterMs = 2_000

/** How much longer a sign of life is waited for, in milliseconds. */
const graceMs = 100

/** Opens nothing yet: the first operation does. From then on it connects again by itself after every loss. */
export function createZooKeeperConnection({ settings, onConnected, onLost }: ZooKeeperConnectionInit): ZooKeeperConnection {
  const { name, operationTimeoutMs } = settings
  const closing = new AbortController()
  let attempt: Promise<ZooKeeperClient> | undefined
  let lastError: SdError = new SdError('SD_UNAVAILABLE', `${name} is not connected yet`)
  const dialer = new MemberDialer(settings, closing.signal)

  function pause(durationMs: number): Promise<void> {
    return sleep(durationMs, closing.signal, true).catch(() => undefined)
  }

  /** What operations wait for after a loss: the pause is jittered, so that a thousand clients don't return at once. */
  async function connectAfter(pauseMs: number): Promise<ZooKeeperClient> {
    if (pauseMs > 0) await pause(pauseMs)
    return dialer.connect()
  }

  /** Connects, probes until the connection is lost, and starts over. */
  async function keepConnected(): Promise<void> {
    const backoff = createBackoff({ baseMs: 100, maxMs: 2_000 })
    let pauseMs = 0
    while (!closing.signal.aborted) {
      attempt = connectAfter(pauseMs)
      let failedPauseMs = 0
      try {
        const connection = await attempt
        const connectedAt = performance.now()
        onConnected?.()
        lastError = await probeUntilLost(connection, name)
        if (performance.now() - connectedAt > stableAfterMs) backoff.reset()
        pauseMs = backoff.next()
      } catch (error) {
        lastError = toSdError(error, 'SD_UNAVAILABLE', name)
        attempt = undefined
        pauseMs = 0
        failedPauseMs = backoff.next()
      }
      if (closing.signal.aborted) return
      onLost?.(lastError)
      if (failedPauseMs > 0) await pause(failedPauseMs)
    }
  }

  let keeping: Promise<void> | undefined
  function acquire(): Promise<ZooKeeperClient> {
    if (closing.signal.aborted) throw closedError(name)
    keeping ??= keepConnected()
    if (attempt) return attempt
    throw lastError
  }

  async function once<T>(operation: (connection: ZooKeeperClient) => Promise<T>): Promise<T> {
    try {
      return await operation(await acquire())
    } catch (error) {
      throw toZooKeeperError(error, name)
    }
  }

  /** Presents the credentials of now. @returns whether they are others than before */
  async function loginAgain(): Promise<boolean> {
    if (typeof settings.credentials !== 'function') return false
    const credentials = await provideCredentials(settings.credentials, operationTimeoutMs, name)
    if (credentials.username === dialer.presented?.username && credentials.password === dialer.presented.password) return false
    dialer.presented = credentials
    const connection = await acquire()
    connection.login(credentials)
    return true
  }

  return {
    async run(operation) {
      try {
        return await once(operation)
      } catch (error) {
        if (!(error instanceof SdError) || error.code !== 'SD_DENIED' || !(await loginAgain())) throw error
        return once(operation)
      }
    },
    async close() {
      closing.abort()
      const connection = await attempt?.catch(() => undefined)
      await connection?.end()
      await keeping
    },
  }
}

/**
 * Asks for a sign of life again and again: the library has no limit for an answer, so that a connection which is half open looks fine for
 * ever. It is noticed within about 8 s, or 5/6 of the session's time where that is less.
 */
async function probeUntilLost({ lost, lose, exists, sessionTimeoutMs }: ZooKeeperClient, name: string): Promise<SdError> {
  const intervalMs = Math.min(5_000, sessionTimeoutMs / 3)
  const timeoutMs = Math.min(3_000, sessionTimeoutMs / 2)
  while (!lost.aborted) {
    await sleep(intervalMs, lost).catch(() => undefined)
    if (lost.aborted) break
    // Whatever the answer is, it is one.
    const answer = exists('/').catch(() => undefined)
    // A process that was stopped finds its timers due before it has read what came.
    const isAlive = (await settlesWithin(answer, timeoutMs)) || (await settlesWithin(answer, graceMs))
    if (!isAlive) lose(new SdError('SD_UNAVAILABLE', `${name} gave no sign of life for ${timeoutMs} ms`))
  }
  return toSdError(lost.reason, 'SD_UNAVAILABLE', name)
}

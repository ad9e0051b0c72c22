import { closedError, createBackoff, SdError, settlesWithin, sleep, toSdError } from '@sd/core'
import { toZooKeeperError } from './errors.ts'
import { MemberDialer, provideCredentials } from './member-dialer.ts'
import type { ResolvedZooKeeperConnectionOptions } from './options.ts'
import type { ZooKeeperClient } from './zookeeper-client.ts'

/** A session that outlives its connections, and is replaced when it expires. */
export interface ZooKeeperConnection {
  /**
   * Runs `operation` on the connection. Waits for a connection attempt in progress; fails at once between attempts.
   * Runs it again if it was denied and the credentials have changed.
   *
   * @throws SdError that describes the failure
   */
  run<T>(operation: (connection: ZooKeeperClient) => Promise<T>): Promise<T>
  /** Ends the session and its connection, within a time limit. */
  close(): Promise<void>
}

/** Options of {@link createZooKeeperConnection}. */
export interface ZooKeeperConnectionInit {
  /** Resolved options of the connection. */
  readonly settings: ResolvedZooKeeperConnectionOptions
  /** Called when a connection is open. */
  readonly onConnected?: () => void
  /** Called when a connection fails; the session may have expired. */
  readonly onLost?: (error: SdError) => void
}

/** A connection that lasts this long is not part of a series of failures, in milliseconds. */
const stableAfterMs = 2_000

/** Additional time for a late response to a probe, in milliseconds. */
const graceMs = 100

/** Time limit of a probe behind other requests that the server responds to, in milliseconds. */
const longestProbeMs = 60_000

/** Creates a connection. Opens nothing until the first operation; from then on it reconnects after each failure. */
export function createZooKeeperConnection({ settings, onConnected, onLost }: ZooKeeperConnectionInit): ZooKeeperConnection {
  const { name, operationTimeoutMs } = settings
  const closing = new AbortController()
  let attempt: Promise<ZooKeeperClient> | undefined
  let lastError: SdError = new SdError('SD_UNAVAILABLE', `${name} is not connected yet`)
  const dialer = new MemberDialer(settings, closing.signal)

  function pause(durationMs: number): Promise<void> {
    return sleep(durationMs, closing.signal, true).catch(() => undefined)
  }

  /** Operations wait for this after a failure. The pause has jitter, so that many clients do not reconnect at once. */
  async function connectAfter(pauseMs: number): Promise<ZooKeeperClient> {
    if (pauseMs > 0) await pause(pauseMs)
    return dialer.connect()
  }

  /** Connects, probes until the connection fails, and starts over. */
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

  /** Presents the current credentials. @returns whether they have changed */
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
 * Probes the connection repeatedly. The library has no time limit for responses, so a half-open connection looks
 * healthy indefinitely. It is noticed within about 8 s, or 5/6 of the session timeout if that is less.
 */
async function probeUntilLost(connection: ZooKeeperClient, name: string): Promise<SdError> {
  const { lost, lose, exists, sessionTimeoutMs } = connection
  const intervalMs = Math.min(5_000, sessionTimeoutMs / 3)
  const timeoutMs = Math.min(3_000, sessionTimeoutMs / 2)
  while (!lost.aborted) {
    await sleep(intervalMs, lost).catch(() => undefined)
    if (lost.aborted) break
    // Any response is a success.
    const response = exists('/').catch(() => undefined)
    if (!(await isAlive(response, connection, timeoutMs)))
      lose(new SdError('SD_UNAVAILABLE', `${name} did not respond for ${timeoutMs} ms`))
  }
  return toSdError(lost.reason, 'SD_UNAVAILABLE', name)
}

/**
 * Whether the server responds to a probe, or to other requests in the meantime: it responds in order, so behind thousands of
 * requests a probe may wait for longer than `timeoutMs`.
 */
async function isAlive(response: Promise<unknown>, { receivedAt }: ZooKeeperClient, timeoutMs: number): Promise<boolean> {
  const startedAt = performance.now()
  let silentMs = 0
  while (silentMs < timeoutMs) {
    // In a process that was stopped, timers fire before the received data is read.
    if ((await settlesWithin(response, timeoutMs - silentMs)) || (await settlesWithin(response, graceMs))) return true
    const now = performance.now()
    if (now - startedAt > longestProbeMs) return false
    silentMs = now - Math.max(startedAt, receivedAt())
  }
  return false
}

import { createClient, type RedisClientOptions } from '@redis/client'
import { type Credentials, connectionHint, resolveProvided } from '@sd/adapter-kit'
import {
  type ConnectionState,
  closedError,
  createBackoff,
  type OperationOptions,
  SdError,
  type SdErrorCode,
  sleep,
  toSdError,
  untilAborted,
  withTimeout,
} from '@sd/core'
import { createTlsSource, type TlsCertificates } from '@sd/tls'
import type { ResolvedRedisRateLimiterOptions } from './options.ts'

/** A connection that reconnects automatically. */
export interface RedisConnection {
  /** Current state of the connection. */
  readonly state: ConnectionState
  /** Sends one command. Fails at once while there is no connection. @throws SdError if there is no reply */
  send(command: readonly string[], options?: OperationOptions): Promise<unknown>
  /** Closes the connection permanently. Idempotent. */
  close(): Promise<void>
}

/**
 * After this number of consecutive commands without a reply, the connection is replaced: a half-open connection reports no
 * error.
 */
const SILENT_COMMANDS = 3
/** Maximum number of commands that wait for a reply; more are refused. */
const MAX_COMMANDS = 10_000

type Client = ReturnType<typeof makeClient>

/**
 * Connects, and reconnects after every disconnection. The library's own reconnection is off, because its handshake has no
 * timeout: a server that accepts the connection but never replies would block it forever.
 */
export function openConnection(options: ResolvedRedisRateLimiterOptions): RedisConnection {
  const { name, operationTimeoutMs } = options
  const closing = new AbortController()
  const backoff = createBackoff({ baseMs: 50, maxMs: 2_000 })
  const firstAttempt = Promise.withResolvers<void>()
  let current: Client | undefined
  let drop: (reason: unknown) => void = () => undefined
  let silent = 0
  let lastError: SdError | undefined
  const tls = options.secure ? createTlsSource(options.tls, 0) : undefined

  /** Runs one connection until it ends. @throws the reason for its end */
  async function connectOnce(): Promise<never> {
    const limits = { timeoutMs: operationTimeoutMs, what: `${name} connect`, signal: closing.signal }
    const [credentials, certificates] = await withTimeout(limits, () =>
      Promise.all([resolveProvided(options.credentials), tls?.current()]),
    )
    const client = makeClient(options, credentials, certificates)
    let isOver = false
    // A client that is destroyed while its socket connects continues to connect.
    client.on('connect', () => isOver && client.destroy())
    const lost = new Promise<never>((_, reject) => {
      client.on('error', reject)
      drop = reject
    })
    lost.catch(() => undefined)
    try {
      await withTimeout({ timeoutMs: operationTimeoutMs, what: `${name} connect`, signal: closing.signal }, () =>
        client.connect(),
      )
      silent = 0
      current = client
      firstAttempt.resolve()
      return await Promise.race([lost, untilAborted(closing.signal).then(() => Promise.reject(closedError(name)))])
    } finally {
      isOver = true
      current = undefined
      client.destroy()
    }
  }

  async function keepConnected(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await connectOnce()
      } catch (error) {
        lastError = translate(name, error, options.prefix)
      }
      firstAttempt.resolve()
      await sleep(backoff.next(), closing.signal).catch(() => undefined)
    }
  }
  const kept = keepConnected()

  async function run(command: readonly string[]): Promise<unknown> {
    await firstAttempt.promise
    const client = current
    if (!client) throw closing.signal.aborted ? closedError(name) : unavailable(name, lastError)
    try {
      const reply = await client.sendCommand([...command])
      silent = 0
      backoff.reset()
      return reply
    } catch (error) {
      if (closing.signal.aborted) throw closedError(name)
      // The server was the primary and is now a replica: resolve the name again and connect to the current primary.
      if (isElsewhere.has(replyCode(error) ?? '')) drop(error)
      throw translate(name, error, options.prefix)
    }
  }

  return {
    get state() {
      if (closing.signal.aborted) return 'closed'
      return current ? 'connected' : 'disconnected'
    },
    async send(command, { signal } = {}) {
      if (closing.signal.aborted) throw closedError(name)
      const client = current
      try {
        return await withTimeout({ timeoutMs: operationTimeoutMs, what: `${name} command`, signal }, () => run(command))
      } catch (error) {
        if (error instanceof SdError && error.code === 'SD_TIMEOUT' && current === client && ++silent >= SILENT_COMMANDS)
          drop(error)
        throw error
      }
    },
    async close() {
      closing.abort()
      await kept
    },
  }
}

// The return type is inferred, because the library's type lists every command.
function makeClient(
  options: ResolvedRedisRateLimiterOptions,
  credentials: Credentials | undefined,
  certificates: TlsCertificates | undefined,
) {
  return createClient({
    ...credentials,
    socket: socketOptions(options, certificates),
    database: options.database,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_COMMANDS,
    maintNotifications: 'disabled',
    RESP: 2,
  })
}

function socketOptions(
  { host, port, tls: { serverName }, operationTimeoutMs }: ResolvedRedisRateLimiterOptions,
  certificates: TlsCertificates | undefined,
): NonNullable<RedisClientOptions['socket']> {
  const common = { host, port, connectTimeout: operationTimeoutMs, reconnectStrategy: false } as const
  if (!certificates) return common
  return { ...common, tls: true, ...certificates, ...(serverName !== undefined && { servername: serverName }) }
}

function unavailable(name: string, cause: SdError | undefined): SdError {
  if (cause && !cause.retryable) return cause
  return new SdError('SD_UNAVAILABLE', `${name}: not connected${cause ? `: ${cause.message}` : ''}`, { cause })
}

/** Reply codes of a server to disconnect from: it is a replica, or was replaced by one that requires a login. */
const isElsewhere: ReadonlySet<string> = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH'])

/**
 * Returns the code of an error reply: its first word, in capitals. The protocol defines it; the rest is text for people.
 *
 * @param error the library's error, or the `SdError` created from it
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
export function replyCode(error: unknown): string | undefined {
  const reply = error instanceof SdError ? error.cause : error
  return reply instanceof Error ? /^[A-Z]+(?= |$)/.exec(reply.message)?.[0] : undefined
}

const meanings: Readonly<Record<string, readonly [SdErrorCode, way?: string]>> = {
  NOAUTH: ['SD_DENIED', 'the server requires a login: set credentials'],
  WRONGPASS: ['SD_DENIED', 'credentials has a user that does not exist or is disabled, or a wrong password: see "ACL LIST"'],
  NOPERM: ['SD_DENIED', 'the user needs +eval +evalsha +ping +select on the keys of the prefix'],
  WRONGTYPE: ['SD_MALFORMED', 'another program uses keys with this prefix'],
  MOVED: ['SD_UNSUPPORTED', 'a cluster is not supported: use one server that has all keys'],
  CROSSSLOT: ['SD_UNSUPPORTED', 'a cluster is not supported: use one server that has all keys'],
  OOM: ['SD_UNAVAILABLE', 'the server is out of memory: raise maxmemory, or choose a maxmemory-policy that evicts'],
}

/** Converts an error of the library. Unknown errors may be temporary, such as those of a server that is loading, busy or full. */
function translate(name: string, error: unknown, prefix: string): SdError {
  if (error instanceof SdError) return error
  const [code, way] = meanings[replyCode(error) ?? ''] ?? ['SD_UNAVAILABLE']
  const hint = connectionHint(error) ?? way?.replace('the prefix', `the prefix "${prefix}"`)
  return withHint(toSdError(error, code, name), hint)
}

function withHint(error: SdError, hint: string | undefined): SdError {
  if (hint === undefined) return error
  return new SdError(error.code, `${error.message} (${hint})`, { cause: error.cause })
}

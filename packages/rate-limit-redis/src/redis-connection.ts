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

/** A connection that comes back by itself. */
export interface RedisConnection {
  /** How it is. */
  readonly state: ConnectionState
  /** Sends one command. While there is no connection it fails at once. @throws SdError why it got no answer */
  send(command: readonly string[], options?: OperationOptions): Promise<unknown>
  /** Ends it for good. Idempotent. */
  close(): Promise<void>
}

/** So many commands in a row without an answer, and the connection is replaced: what is half open says nothing by itself. */
const SILENT_COMMANDS = 3
/** Commands that wait for an answer; more are refused. */
const MAX_COMMANDS = 10_000

type Client = ReturnType<typeof makeClient>

/**
 * Connects, and again after every loss. The library's own reconnection is off, because its handshake has no limit: a server that accepts and then says
 * nothing would hold it forever.
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

  /** One connection, from its making to its loss. @throws why there is none any more */
  async function connectOnce(): Promise<never> {
    const limits = { timeoutMs: operationTimeoutMs, what: `${name} connect`, signal: closing.signal }
    const [credentials, certificates] = await withTimeout(limits, () =>
      Promise.all([resolveProvided(options.credentials), tls?.current()]),
    )
    const client = makeClient(options, credentials, certificates)
    let isOver = false
    // A client that is destroyed while its socket connects goes on connecting.
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
      // A server that was the primary and is a replica now: look up where the name leads today.
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

// The return type is the library's affair: it spells out every command.
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

/** Codes of a server that should be left: it is a replica, or was replaced by one that wants a login. */
const isElsewhere: ReadonlySet<string> = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH'])

/**
 * The code of an error reply, which is its first word in capitals: that is the protocol's, not one of the words for people.
 *
 * @param error of the library, or the `SdError` that was made of it
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
export function replyCode(error: unknown): string | undefined {
  const reply = error instanceof SdError ? error.cause : error
  return reply instanceof Error ? /^[A-Z]+(?= |$)/.exec(reply.message)?.[0] : undefined
}

const meanings: Readonly<Record<string, readonly [SdErrorCode, way?: string]>> = {
  NOAUTH: ['SD_DENIED', 'the server wants a login: set credentials'],
  WRONGPASS: ['SD_DENIED', 'credentials has a user that does not exist or is off, or a wrong password: see "ACL LIST"'],
  NOPERM: ['SD_DENIED', 'the user needs +eval +evalsha +ping +select on the keys of the prefix'],
  WRONGTYPE: ['SD_MALFORMED', 'another program has keys of this prefix'],
  MOVED: ['SD_UNSUPPORTED', 'a cluster is not supported: give one server that has all keys'],
  CROSSSLOT: ['SD_UNSUPPORTED', 'a cluster is not supported: give one server that has all keys'],
  OOM: ['SD_UNAVAILABLE', 'the server is out of memory: raise maxmemory, or choose a maxmemory-policy that evicts'],
}

/** What an error of the library means. What is not known here may pass by itself: a server that loads, is busy or full. */
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

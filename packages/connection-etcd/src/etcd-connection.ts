import { isIP } from 'node:net'
import { type Credentials, closedError, endpointUrl, resolveProvided, SdError, withTimeout } from '@sd/core'
import { Etcd3, type IOptions } from 'etcd3'
import { explain } from './etcd-errors.ts'
import { createMemberPolicies } from './member-policies.ts'
import type { EtcdConnectionSettings } from './options.ts'
import { probeTls } from './tls-probe.ts'

/** Runs operations on a client that is made anew when its login is no longer accepted. */
export interface EtcdConnection {
  /**
   * Runs `operation`, within `operationTimeoutMs` in all; once more with a fresh login if the first was refused.
   *
   * @throws SdError that says what the failure means
   */
  run<T>(operation: (client: Etcd3) => Promise<T>): Promise<T>
  /** Like {@link EtcdConnection.run}, without a limit in time: for what follows something. */
  stay<T>(operation: (client: Etcd3) => Promise<T>): Promise<T>
  /** Number of members. */
  readonly members: number
  /** Limit of a request to one member, in milliseconds. */
  readonly attemptLimitMs: number
  /** Closes the client. */
  close(): void
}

/**
 * A member that falls silent during a call or a watch is noticed after about eight seconds: by gRPC pings, no more often than etcd allows (5 s).
 * Without a call etcd takes pings for an attack, and says so with GOAWAY.
 */
const grpcOptions = {
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.max_receive_message_length': 67_108_864,
  // etcd is a neighbour: a proxy for the way out of the network, which gRPC would use by itself, does not lead to it.
  'grpc.enable_http_proxy': 0,
}

/** Opens nothing yet: the first operation does. */
export function createEtcdConnection(settings: EtcdConnectionSettings): EtcdConnection {
  const { endpoints, tls, operationTimeoutMs, name } = settings
  // Less than the limit of the whole, so that the reason is known when that is over.
  const attemptLimitMs = (operationTimeoutMs * 0.9) / endpoints.length
  let current: Promise<Etcd3> | undefined
  let closed = false

  async function connect(): Promise<Etcd3> {
    const credentials = settings.credentials && (await resolveProvided<Credentials>(settings.credentials))
    const hosts = endpoints.map(endpointUrl)
    const client = new Etcd3({
      hosts,
      ...(credentials && { auth: { ...credentials, callOptions: () => deadline(attemptLimitMs) } }),
      ...(tls && { credentials: readTls(tls) }),
      grpcOptions: {
        ...grpcOptions,
        ...(tls?.serverName && { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
      },
      defaultCallOptions: ({ isStream }) => (isStream ? {} : deadline(attemptLimitMs)),
      faultHandling: createMemberPolicies(hosts),
    })
    mendPool(client)
    return client
  }

  function reset(): void {
    const old = current
    current = undefined
    // A client that could not be made has been reported already.
    old?.then((client) => client.close()).catch(() => undefined)
  }

  async function attempt<T>(operation: (client: Etcd3) => Promise<T>): Promise<T> {
    if (closed) throw closedError(name)
    current ??= connect()
    try {
      return await operation(await current)
    } catch (caught) {
      throw explain(caught, name, settings.prefix)
    }
  }

  /** The same error with what a TLS handshake says, where gRPC only knows that there is no connection. */
  async function withReason(error: unknown): Promise<unknown> {
    const [endpoint] = endpoints
    if (!endpoint?.secure || !SdError.isInstance(error) || error.code !== 'SD_UNAVAILABLE') return error
    const reason = await probeTls(endpoint, tls ?? {}, operationTimeoutMs * 0.08)
    return reason === undefined ? error : new SdError(error.code, `${error.message} (${reason})`, { cause: error.cause })
  }

  async function stay<T>(operation: (client: Etcd3) => Promise<T>): Promise<T> {
    try {
      return await attempt(operation)
    } catch (error) {
      if (!settings.credentials || !SdError.isInstance(error) || error.code !== 'SD_DENIED') throw error
      reset()
      return attempt(operation)
    }
  }

  return {
    run: (operation) =>
      withTimeout({ timeoutMs: operationTimeoutMs, what: `request to ${name}` }, async () => {
        try {
          return await stay(operation)
        } catch (error) {
          throw await withReason(error)
        }
      }),
    stay,
    members: endpoints.length,
    attemptLimitMs,
    close() {
      closed = true
      reset()
    },
  }
}

function deadline(limitMs: number): { deadline: number } {
  return { deadline: Date.now() + limitMs }
}

function readTls({ ca, cert, key }: NonNullable<EtcdConnectionSettings['tls']>): NonNullable<IOptions['credentials']> {
  // The library's type wants an authority; without one gRPC trusts what Node trusts.
  return {
    ...(ca && { rootCertificate: Buffer.from(ca) }),
    ...(key && { privateKey: Buffer.from(key) }),
    ...(cert && { certChain: Buffer.from(cert) }),
  } as NonNullable<IOptions['credentials']>
}

interface SecureConnector {
  readonly connectionOptions?: { servername?: string }
}

/** What is mended here of the library's pool, which its types keep private. */
interface Pool {
  markFailed(host: object, error: { readonly code?: unknown }): void
  readonly hosts: readonly { readonly channelCredentials: { _createSecureConnector(...given: unknown[]): SecureConnector } }[]
}

const cancelled = 1

/**
 * Two habits of the libraries below: a watch that we end ourselves counts as a fault of its member, whose other channels are then closed
 * under calls that have not started; and an address is sent as the name of a TLS server, which Node deprecates (DEP0123). The certificate
 * is compared with the address all the same.
 */
function mendPool(client: Etcd3): void {
  const { pool } = client as unknown as { readonly pool: Pool }
  const markFailed = pool.markFailed.bind(pool)
  pool.markFailed = (host, error) => {
    if (error.code !== cancelled) markFailed(host, error)
  }
  for (const { channelCredentials: credentials } of new Set(pool.hosts)) {
    if (Object.hasOwn(credentials, '_createSecureConnector')) continue
    const create = credentials._createSecureConnector.bind(credentials)
    credentials._createSecureConnector = (...given) => {
      const connector = create(...given)
      const { connectionOptions } = connector
      if (isIP(connectionOptions?.servername ?? '') > 0 && connectionOptions) connectionOptions.servername = ''
      return connector
    }
  }
}

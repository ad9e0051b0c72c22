import { isIP } from 'node:net'
import { type Credentials, resolveProvided, serverUrl } from '@sd/adapter-kit'
import { createTlsSource, type TlsCertificates } from '@sd/tls'
import { Etcd3, type IOptions } from 'etcd3'
import { createMemberPolicies } from './member-policies.ts'
import type { ResolvedEtcdConnectionOptions } from './options.ts'

/** Holds the library's client, which is created on demand, and again after it is dropped. */
export interface EtcdClientHolder {
  /** The certificates in use. */
  readonly certificates: TlsCertificates
  /** Returns the current client. Rejects without credentials or certificates; the next call requests them again. */
  obtain(): Promise<Etcd3>
  /** Drops the current client, for example because its login was refused. */
  drop(): void
  /** Reads the certificates again. @returns whether they differ from `used`, those of the failed operation */
  renewCertificates(used: TlsCertificates): Promise<boolean>
  /** Closes the current client and creates no other one. */
  close(): void
}

/**
 * A member that stops responding during a call or a watch is noticed after about eight seconds, by gRPC pings at the
 * shortest interval that etcd allows (5 s). Without a call, etcd treats pings as an attack and closes the connection
 * with GOAWAY.
 */
const grpcOptions = {
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.max_receive_message_length': 67_108_864,
  // etcd is on the same network, so a proxy from the environment, which gRPC would use, usually can't reach it.
  'grpc.enable_http_proxy': 0,
}

/** Certificates before they are first read. */
const none: TlsCertificates = {}

/** Creates a holder without a client. @param attemptLimitMs time limit of a request to one member, in milliseconds */
export function createClientHolder(settings: ResolvedEtcdConnectionOptions, attemptLimitMs: number): EtcdClientHolder {
  const { servers, tls } = settings
  const source = tls && createTlsSource(tls)
  const hosts = servers.map(serverUrl)
  let certificates = none
  let current: Promise<Etcd3> | undefined
  let closed = false

  async function connect(): Promise<Etcd3> {
    const credentials = settings.credentials && (await resolveProvided<Credentials>(settings.credentials))
    if (source) certificates = await source.current()
    return makeClient(credentials)
  }

  function makeClient(credentials: Credentials | undefined): Etcd3 {
    const client = new Etcd3({
      hosts,
      ...(credentials && { auth: { ...credentials, callOptions: () => deadline(attemptLimitMs) } }),
      ...(tls && { credentials: readTls(certificates) }),
      grpcOptions: {
        ...grpcOptions,
        ...(tls?.serverName && { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
      },
      defaultCallOptions: ({ isStream }) => (isStream ? {} : deadline(attemptLimitMs)),
      faultHandling: createMemberPolicies(hosts, () => void renewCertificates().catch(() => undefined)),
    })
    repairPool(client)
    return client
  }

  /**
   * Reads certificates after a member did not respond: it may require other ones, and their files may be newer. New
   * connections of the client then use them; open streams stay.
   */
  async function renewCertificates(): Promise<void> {
    if (!source) return
    source.forget()
    const now = await source.current()
    if (now === certificates) return
    certificates = now
    const client = await current
    if (!client || closed) return
    const renewed = makeClient(undefined)
    const [host] = poolOf(renewed).hosts
    if (host) replaceCredentials(client, host.channelCredentials)
    renewed.close()
  }

  function drop(): void {
    const old = current
    current = undefined
    // A client that could not be created has already been reported.
    old?.then((client) => client.close()).catch(() => undefined)
  }

  function obtain(): Promise<Etcd3> {
    if (current) return current
    const connecting = connect()
    current = connecting
    // Without credentials or certificates there is no client: the next operation requests them again.
    connecting.catch(() => {
      if (current === connecting) current = undefined
    })
    return connecting
  }

  return {
    get certificates() {
      return certificates
    },
    obtain,
    drop,
    async renewCertificates(used) {
      await renewCertificates().catch(() => undefined)
      return certificates !== used && used !== none
    },
    close() {
      closed = true
      drop()
    },
  }
}

function deadline(limitMs: number): { deadline: number } {
  return { deadline: Date.now() + limitMs }
}

function readTls({ ca, cert, key }: TlsCertificates): NonNullable<IOptions['credentials']> {
  // The library's type requires a CA; without one gRPC trusts the same CAs as Node.
  return {
    ...(ca && { rootCertificate: Buffer.from(ca) }),
    ...(key && { privateKey: Buffer.from(key) }),
    ...(cert && { certChain: Buffer.from(cert) }),
  } as NonNullable<IOptions['credentials']>
}

interface SecureConnector {
  readonly connectionOptions?: { servername?: string }
}

interface ChannelCredentials {
  _createSecureConnector(...given: unknown[]): SecureConnector
}

/** The used part of the library's pool, which its types declare as private. */
interface Pool {
  markFailed(host: object, error: { readonly code?: unknown }): void
  readonly authenticator: { credentials: ChannelCredentials }
  readonly hosts: readonly { channelCredentials: ChannelCredentials; resetAllServices(): void }[]
}

function poolOf(client: Etcd3): Pool {
  return (client as unknown as { readonly pool: Pool }).pool
}

/** Sets the credentials of new connections. Requests on old connections continue. */
function replaceCredentials(client: Etcd3, credentials: ChannelCredentials): void {
  const { authenticator, hosts } = poolOf(client)
  authenticator.credentials = credentials
  for (const host of hosts) {
    host.channelCredentials = credentials
    host.resetAllServices()
  }
}

const cancelled = 1

/**
 * Corrects two behaviours of the libraries: a watch that we end ourselves is treated as a failure of its member, whose
 * other channels are then closed under calls that have not started; and an IP address is sent as the name of a TLS
 * server, which Node deprecates (DEP0123). The certificate is still compared with the address.
 */
function repairPool(client: Etcd3): void {
  const pool = poolOf(client)
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

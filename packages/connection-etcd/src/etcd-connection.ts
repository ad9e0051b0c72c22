import { type Credentials, closedError, endpointUrl, resolveProvided, SdError, toSdError } from '@sd/core'
import { Etcd3, type IOptions } from 'etcd3'
import type { EtcdConnectionSettings } from './options.ts'

/** Runs operations on a client that is made anew when its login is no longer accepted. */
export interface EtcdConnection {
  /**
   * Runs `operation`; once more with a fresh login if the first was refused.
   *
   * @throws SdError that says what the failure means
   */
  run<T>(operation: (client: Etcd3) => Promise<T>): Promise<T>
  /** Closes the client. */
  close(): void
}

type FaultHandling = NonNullable<IOptions['faultHandling']>
type Policy = NonNullable<FaultHandling['global']>

// The library would open a circuit for five seconds after three failures, and retry without a limit in time. Core's loops do both better, so
// a policy only passes through, and tries each member once.
const passThrough = { execute: async (run: (context: object) => unknown) => run({}) } as unknown as Policy

function tryEachMember(count: number): Policy {
  async function execute(run: (context: object) => Promise<unknown>): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run({})
      } catch (error) {
        if (attempt >= count || explain(error, '').code !== 'SD_UNAVAILABLE') throw error
      }
    }
  }
  return { execute } as unknown as Policy
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
}

/** Opens nothing yet: the first operation does. */
export function createEtcdConnection(settings: EtcdConnectionSettings): EtcdConnection {
  const { endpoints, tls, operationTimeoutMs, name } = settings
  let current: Promise<Etcd3> | undefined
  let closed = false

  async function connect(): Promise<Etcd3> {
    const credentials = settings.credentials && (await resolveProvided<Credentials>(settings.credentials))
    return new Etcd3({
      hosts: endpoints.map(endpointUrl),
      ...(credentials && { auth: { ...credentials, callOptions: () => deadline(operationTimeoutMs) } }),
      ...(tls && { credentials: readTls(tls) }),
      grpcOptions: {
        ...grpcOptions,
        ...(tls?.serverName && { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
      },
      defaultCallOptions: ({ isStream }) => (isStream ? {} : deadline(operationTimeoutMs / endpoints.length)),
      faultHandling: { host: () => passThrough, global: tryEachMember(endpoints.length) },
    })
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
      throw explain(caught, name)
    }
  }

  return {
    async run(operation) {
      try {
        return await attempt(operation)
      } catch (error) {
        if (!settings.credentials || !SdError.isInstance(error) || error.code !== 'SD_DENIED') throw error
        reset()
        return attempt(operation)
      }
    },
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

const denied =
  /permission ?denied|auth token|authentication ?failed|auth store is old|user name is empty|unauthenticated|user name not found/i
const tooLarge = /too large|larger than max|resource ?exha/i

/** What an error of the library means. Its classes carry no code, so their names and etcd's own texts decide. */
function explain(caught: unknown, name: string): SdError {
  if (SdError.isInstance(caught)) return caught
  const text = caught instanceof Error ? `${caught.constructor.name} ${caught.message}` : String(caught)
  if (denied.test(text)) return toSdError(caught, 'SD_DENIED', `${name} refused`)
  if (tooLarge.test(text)) return toSdError(caught, 'SD_TOO_LARGE', name)
  return toSdError(caught, 'SD_UNAVAILABLE', `${name} can't be reached or can't serve`)
}

import { closedError, SdError, withTimeout } from '@sd/core'
import type { Etcd3 } from 'etcd3'
import { createClientHolder } from './client-holder.ts'
import { toEtcdError } from './etcd-errors.ts'
import type { ResolvedEtcdConnectionOptions } from './options.ts'
import { probeTls } from './tls-probe.ts'

/** Runs operations on a client that is created again when its login is no longer accepted. */
export interface EtcdConnection {
  /**
   * Runs `operation` within `operationTimeoutMs` in total; once more with a new login if the first was refused.
   *
   * @throws SdError that describes the failure
   */
  run<T>(operation: (client: Etcd3) => Promise<T>): Promise<T>
  /** Like {@link EtcdConnection.run}, without a time limit, for watches. */
  stay<T>(operation: (client: Etcd3) => Promise<T>): Promise<T>
  /** Number of members. */
  readonly members: number
  /** Time limit of a request to one member, in milliseconds. */
  readonly attemptLimitMs: number
  /** Closes the client. */
  close(): void
}

/** Creates a connection. Opens nothing until the first operation. */
export function createEtcdConnection(settings: ResolvedEtcdConnectionOptions): EtcdConnection {
  const { servers, tls, operationTimeoutMs, name } = settings
  // Less than the total limit, so that the reason is known when it ends.
  const attemptLimitMs = (operationTimeoutMs * 0.9) / servers.length
  const clients = createClientHolder(settings, attemptLimitMs)
  let closed = false

  async function attempt<T>(operation: (client: Etcd3) => Promise<T>): Promise<T> {
    if (closed) throw closedError(name)
    try {
      return await operation(await clients.obtain())
    } catch (caught) {
      throw toEtcdError(caught, name, settings.prefix)
    }
  }

  /** Adds the reason of a failed TLS handshake, because gRPC reports only that there is no connection. */
  async function withReason(error: unknown): Promise<unknown> {
    const [endpoint] = servers
    if (!endpoint?.secure || !(error instanceof SdError) || error.code !== 'SD_UNAVAILABLE') return error
    const reason = await probeTls(
      endpoint,
      { ...clients.certificates, ...(tls?.serverName && { serverName: tls.serverName }) },
      operationTimeoutMs * 0.08,
    )
    return reason === undefined ? error : new SdError(error.code, `${error.message} (${reason})`, { cause: error.cause })
  }

  async function stay<T>(operation: (client: Etcd3) => Promise<T>): Promise<T> {
    const { certificates } = clients
    try {
      return await attempt(operation)
    } catch (error) {
      if (!(error instanceof SdError)) throw error
      if (error.code === 'SD_DENIED' && settings.credentials) clients.drop()
      else if (error.code !== 'SD_UNAVAILABLE' || !(await clients.renewCertificates(certificates))) throw error
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
    members: servers.length,
    attemptLimitMs,
    close() {
      closed = true
      clients.close()
    },
  }
}

import { isIP } from 'node:net'
import { type Credentials, type Provided, resolveProvided, type ServerAddress } from '@sd/adapter-kit'
import { closedError, withTimeout } from '@sd/core'
import { createTlsSource, type TlsSource } from '@sd/tls'
import { type SessionIdentity, sessionExpired } from './dial.ts'
import { toZooKeeperError } from './errors.ts'
import { checkLogin, type ResolvedZooKeeperConnectionOptions } from './options.ts'
import { openClient, type ZooKeeperClient } from './zookeeper-client.ts'

/** Connects to the members of the ensemble in turn, and continues the session. */
export class MemberDialer {
  /** Credentials that were last presented. */
  presented: Credentials | undefined
  readonly #settings: ResolvedZooKeeperConnectionOptions
  readonly #closing: AbortSignal
  readonly #source: TlsSource | undefined
  #identity: SessionIdentity | undefined
  #nextEndpoint: number

  /** @param closing aborts attempts */
  constructor(settings: ResolvedZooKeeperConnectionOptions, closing: AbortSignal) {
    const { servers } = settings
    this.#settings = settings
    this.#closing = closing
    // The certificates are read for each connection.
    this.#source = servers[0]?.secure ? createTlsSource(settings.tls ?? {}, 0) : undefined
    this.#nextEndpoint = Math.floor(Math.random() * servers.length)
  }

  async #connectTo(index: number): Promise<ZooKeeperClient> {
    const { servers, name, operationTimeoutMs, sessionTimeoutMs, acl } = this.#settings
    const signal = this.#closing
    const endpoint = servers[index % servers.length] as ServerAddress
    const timeoutMs = Math.max(250, Math.floor(operationTimeoutMs / servers.length))
    this.presented = this.#settings.credentials && (await provideCredentials(this.#settings.credentials, timeoutMs, name))
    const source = this.#source
    const tls = source && (await withTimeout({ timeoutMs, what: `reading the certificates of ${name}` }, () => source.current()))
    const secure = tls && { ...tls, servername: this.#settings.tls?.serverName ?? (isIP(endpoint.host) ? '' : endpoint.host) }
    return openClient({
      endpoint,
      secure,
      name,
      sessionTimeoutMs,
      identity: this.#identity,
      credentials: this.presented,
      acl,
      timeoutMs,
      signal,
    })
  }

  /** Tries each member once, and once more with a new session if the old one has expired. */
  async connect(): Promise<ZooKeeperClient> {
    const { servers, name } = this.#settings
    for (let failures = 0; ; ) {
      try {
        const connection = await this.#connectTo(this.#nextEndpoint)
        this.#identity = connection.identity
        return connection
      } catch (error) {
        if (this.#closing.aborted) throw closedError(name)
        if (error === sessionExpired && this.#identity) {
          this.#identity = undefined
          continue
        }
        failures++
        this.#nextEndpoint = (this.#nextEndpoint + 1) % servers.length
        if (failures >= servers.length) throw toZooKeeperError(error, name)
      }
    }
  }
}

/** Obtains the credentials. @throws SdError */
export async function provideCredentials(provided: Provided<Credentials>, timeoutMs: number, name: string): Promise<Credentials> {
  const what = `obtaining the credentials of ${name}`
  return checkLogin(await withTimeout({ timeoutMs, what }, () => resolveProvided(provided)))
}

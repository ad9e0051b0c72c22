import type { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { checkSecret, resolveProvided } from '@sd/adapter-kit'
import { SdError, withTimeout } from '@sd/core'
import { createTlsSource, followAgentCertificates } from '@sd/tls'
import { type CallOptions, type ConsulClient, callLibrary, createClient, failedOnReusedSocket } from './consul-client.ts'
import { toConsulError } from './consul-errors.ts'
import type { ResolvedConsulConnectionOptions } from './options.ts'

/** One agent, as passed to an operation. */
export interface ConsulTarget {
  /** The library's client. */
  readonly client: ConsulClient
  /** Options for every call of the library. */
  readonly options: CallOptions
  /** Headers with the token, for requests without a method in the library. */
  readonly headers: Readonly<Record<string, string>>
}

/** Sends single requests to agents, with the current token and certificates. */
export interface AgentRequests {
  /**
   * Sends a request; once more if its token was refused and a new one may be available. @throws SdError that describes
   * the failure
   */
  send<T>(index: number, signal: AbortSignal, call: (target: ConsulTarget) => Promise<T>): Promise<T>
  /**
   * Reads the certificates again before the next request, because an agent that does not respond may require other
   * ones.
   */
  forgetCertificates(): void
  /** Closes all connections. */
  close(): void
}

/**
 * Creates the requests; opens no connection yet. @param attemptLimitMs time limit of obtaining a token, in milliseconds
 */
export function createAgentRequests(settings: ResolvedConsulConnectionOptions, attemptLimitMs: number): AgentRequests {
  const { servers, name } = settings
  const agent = createAgent(settings)
  const tls = settings.tls && createTlsSource(settings.tls)
  const certificates = followAgentCertificates(agent, tls)
  let login: Promise<string | undefined> | undefined
  const clients = servers.map((endpoint) => createClient(endpoint, agent, () => certificates.latest))

  /** Returns the token, which is obtained once and kept until it is refused. */
  function obtainToken(): Promise<string | undefined> {
    const { token } = settings
    if (token === undefined) return Promise.resolve(undefined)
    if (login) return login
    const asked = withTimeout({ timeoutMs: attemptLimitMs, what: 'a token' }, () => resolveProvided<string>(token))
      .then((given) => checkSecret('token', given))
      .catch((error: unknown) => {
        if (login === asked) login = undefined
        throw new SdError('SD_UNAVAILABLE', `${name} received no token`, { cause: error })
      })
    login = asked
    return asked
  }

  async function request<T>(index: number, signal: AbortSignal, call: (target: ConsulTarget) => Promise<T>): Promise<T> {
    const client = clients[index] as ConsulClient
    const token = await obtainToken()
    await certificates.refresh()
    const headers: Record<string, string> = token === undefined ? {} : { 'x-consul-token': token }
    const send = (ctx: EventEmitter): Promise<T> =>
      call({ client, headers, options: { ctx, ...(token !== undefined && { token }) } })
    try {
      return await callLibrary(signal, send)
    } catch (error) {
      // Every call here is idempotent and can be repeated.
      if (!failedOnReusedSocket(error) || signal.aborted) throw toConsulError(error, name)
      return callLibrary(signal, send)
    }
  }

  /** Sends a request; once more if its token was refused and a new one may be available. */
  async function send<T>(index: number, signal: AbortSignal, call: (target: ConsulTarget) => Promise<T>): Promise<T> {
    const used = obtainToken()
    try {
      await used
      return await request(index, signal, call)
    } catch (caught) {
      const error = toConsulError(caught, name)
      if (error.code !== 'SD_DENIED' || typeof settings.token !== 'function') throw error
      // Another request may have obtained a new one in the meantime.
      if (login === used) login = undefined
      return request(index, signal, call)
    }
  }

  return { send, forgetCertificates: () => tls?.forget(), close: () => agent.destroy() }
}

function createAgent({ servers, tls }: ResolvedConsulConnectionOptions): http.Agent {
  const options = { keepAlive: true, scheduling: 'lifo' } as const
  if (!servers[0]?.secure) return new http.Agent(options)
  return new https.Agent({ ...options, ...(tls?.serverName !== undefined && { servername: tls.serverName }) })
}

import type { Agent } from 'node:http'
import type { TlsCertificates, TlsSource } from './tls-options.ts'

/** The certificates that an agent of `node:https` uses, and its connections without a request. */
export interface AgentCertificates {
  /** What was read last: options for the next request. Empty before the first `refresh()`. */
  readonly latest: TlsCertificates
  /**
   * Reads the certificates again. If one has changed, idle connections are closed, because they use the old ones.
   *
   * @throws SdError as {@link TlsSource.current}
   */
  refresh(): Promise<void>
}

/** Follows certificates for an agent. @param source absent if the agent uses no certificates of the application */
export function followAgentCertificates(agent: Agent, source: TlsSource | undefined): AgentCertificates {
  let latest: TlsCertificates = {}
  return {
    get latest() {
      return latest
    },
    async refresh() {
      const now = await source?.current()
      if (now === undefined || now === latest) return
      latest = now
      closeIdleConnections(agent)
    },
  }
}

/** Closes the connections of an agent that have no request. */
export function closeIdleConnections({ freeSockets }: Agent): void {
  for (const sockets of Object.values(freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

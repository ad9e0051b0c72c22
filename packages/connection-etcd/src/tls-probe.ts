import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { connectionHint, type ServerAddress } from '@sd/adapter-kit'
import type { TlsCertificates } from '@sd/tls'

/**
 * How long a server may take to refuse a client certificate after the handshake, in milliseconds: with TLS 1.3 it
 * refuses only then.
 */
const refusalMs = 150

/**
 * Determines why a TLS connection to a server fails, because gRPC reports only that there is no connection.
 *
 * @returns `undefined` if it does not fail, or the reason is not known in time
 */
export function probeTls(
  { host, port }: ServerAddress,
  tls: TlsCertificates & { readonly serverName?: string },
  limitMs: number,
): Promise<string | undefined> {
  const { serverName, ...certificates } = tls
  return new Promise((resolve) => {
    const servername = serverName ?? (isIP(host) > 0 ? '' : host)
    const socket = connect({ host, port, ...certificates, servername, ALPNProtocols: ['h2'] })
    const finish = (found?: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(found)
    }
    const timer = setTimeout(finish, limitMs)
    socket.on('error', (error) => finish(connectionHint(error) ?? error.message))
    socket.on('secureConnect', () => setTimeout(finish, Math.min(refusalMs, limitMs)))
  })
}

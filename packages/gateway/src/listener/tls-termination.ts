import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { SdError, toSdError } from '@sd/core'
import type { ResolvedListener } from '../table/resolve-table.ts'
import type { HttpProtocol, ListenerTls } from '../table/table.ts'
import { CertificateSources, type CertificateTexts } from './certificates.ts'
import { readClientIdentity } from './client-identity.ts'
import type { ConnectionTls } from './connection.ts'
import type { SecuredSocket, TlsStep } from './reception.ts'

/** For how long certificates are used without being read again, and how long a handshake waits for that, in milliseconds. */
const maxAgeMs = 1_000

/** Tickets of a server are not accepted after this time: its keys are replaced. */
const ticketKeysMs = 12 * 3_600_000

/**
 * Ends TLS for the connections of a listener. When a certificate has changed, the following handshakes use it. If it can't be
 * used, the last valid ones stay in effect.
 */
export class TlsTermination implements TlsStep {
  readonly #sources: CertificateSources
  readonly #spec: ResolvedListener
  readonly #tls: ListenerTls
  readonly #onStale: (error: SdError) => void
  readonly #handshakes = new Map<string, (secured: TLSSocket) => void>()
  #texts: CertificateTexts = []
  #server: Server | undefined
  #serverSince = 0
  #checkedAt = 0
  #isStale = false

  /** @param onStale the current certificates can't be used. It is called once, until they can be used again */
  constructor(spec: ResolvedListener, tls: ListenerTls, onStale: (error: SdError) => void) {
    this.#spec = spec
    this.#tls = tls
    this.#onStale = onStale
    this.#sources = new CertificateSources(tls, spec.name)
  }

  /** Reads the certificates. @throws SdError `SD_INVALID` or `SD_UNAVAILABLE` that names the field */
  async load(): Promise<void> {
    this.#checkedAt = performance.now()
    const texts = await this.#sources.read()
    const isSame = texts.every((text, index) => text === this.#texts[index])
    const now = performance.now()
    if (this.#server && isSame && now - this.#serverSince < ticketKeysMs) return
    this.#server = this.#createServer(texts)
    this.#serverSince = now
    this.#texts = texts
  }

  async secure(socket: Socket): Promise<SecuredSocket> {
    if (performance.now() - this.#checkedAt >= maxAgeMs) await this.#refresh()
    const secured = await this.#handshake(socket)
    // A client can't ask for another handshake, which costs it little and the gateway much.
    secured.disableRenegotiation()
    const protocol = secured.alpnProtocol === false ? undefined : (secured.alpnProtocol as HttpProtocol)
    return { socket: secured, protocol, tls: this.#describe(secured) }
  }

  /** Never rejects, and does not wait for a slow source. */
  #refresh(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, maxAgeMs)
      this.load()
        .then(
          () => {
            this.#isStale = false
          },
          (thrown) => {
            if (!this.#isStale) this.#onStale(toSdError(thrown, 'SD_INVALID', 'The certificates can not be used'))
            this.#isStale = true
          },
        )
        .finally(() => {
          clearTimeout(timer)
          resolve()
        })
    })
  }

  /**
   * A server that does not listen. Each set of certificates has its own, and with it its own ticket keys: a session that
   * began with other certificates, or other authorities of clients, is not resumed.
   */
  #createServer(texts: CertificateTexts): Server {
    const { find } = this.#sources.prepare(texts)
    const { clientCa, clientCertificateRequired = true, minVersion = 'TLSv1.2' } = this.#tls
    const { protocols = ['h2', 'http/1.1'], timeouts } = this.#spec
    const alpn = (['h2', 'http/1.1'] as const).filter((one) => protocols.includes(one))
    const [first] = texts
    const server = createServer({
      ...first,
      ...(clientCa !== undefined && { ca: texts.at(-1)?.ca as string }),
      minVersion,
      requestCert: clientCa !== undefined,
      rejectUnauthorized: clientCa !== undefined && clientCertificateRequired,
      // The gateway prefers HTTP/2.
      ...(alpn.length > 0 && { ALPNProtocols: alpn }),
      SNICallback: (serverName, done) => done(null, find(serverName)),
      handshakeTimeout: timeouts.handshakeMs,
    })
    server.on('secureConnection', (secured) => {
      secured.on('error', () => secured.destroy())
      const resolve = this.#handshakes.get(keyOf(secured))
      if (resolve) resolve(secured)
      else secured.destroy()
    })
    // The socket closes, and with it the handshake ends.
    server.on('tlsClientError', (_error, secured) => secured.destroy())
    return server
  }

  #handshake(socket: Socket): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const key = keyOf(socket)
      const end = () => {
        this.#handshakes.delete(key)
        socket.off('close', fail)
      }
      const fail = () => {
        end()
        reject(new SdError('SD_UNAVAILABLE', 'The TLS handshake failed'))
      }
      if (socket.destroyed) {
        fail()
        return
      }
      socket.once('close', fail)
      this.#handshakes.set(key, (secured) => {
        end()
        resolve(secured)
      })
      this.#server?.emit('connection', socket)
    })
  }

  /** @throws SdError if the client has a certificate that is not valid, although it needs none */
  #describe(secured: TLSSocket): ConnectionTls {
    const { servername } = secured as TLSSocket & { readonly servername?: string | false }
    const certificate = this.#tls.clientCa === undefined ? undefined : secured.getPeerX509Certificate()
    if (certificate && !secured.authorized) throw new SdError('SD_INVALID', 'The certificate of the client is not valid')
    return {
      version: secured.getProtocol() ?? '',
      serverName: servername || undefined,
      client: certificate && readClientIdentity(certificate),
    }
  }
}

/** Both ends of a connection: the secured socket reports those of the accepted one. */
function keyOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`
}

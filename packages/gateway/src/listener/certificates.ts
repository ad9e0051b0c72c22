import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { SdError } from '@sd/core'
import { createTlsSource, type TlsCertificates, type TlsSource } from '@sd/tls'
import type { ListenerTls } from '../table/table.ts'

/** Certificates of a listener, chosen by the server name that a client requests. They never change. */
export interface CertificateChoice {
  /** Of the first certificate, for clients without a matching server name. */
  readonly first: SecureContext
  /** @param serverName that the client requests */
  find(serverName: string): SecureContext | undefined
}

/** PEM texts of a listener, in the order of its sources. The same objects until a certificate changes. */
export type CertificateTexts = readonly TlsCertificates[]

/** Where the certificates of a listener come from. */
export class CertificateSources {
  readonly #tls: ListenerTls
  readonly #listener: string
  readonly #sources: readonly TlsSource[]

  /** @param listener name of the listener, for errors */
  constructor(tls: ListenerTls, listener: string) {
    this.#tls = tls
    this.#listener = listener
    const { certificates, clientCa } = tls
    const sources = certificates.map(({ cert, key }) => createTlsSource({ cert, key }))
    this.#sources = clientCa === undefined ? sources : [...sources, createTlsSource({ ca: clientCa })]
  }

  /** @throws SdError that names the field: `SD_UNAVAILABLE` if a source can't be read, `SD_INVALID` if it is not PEM */
  read(): Promise<CertificateTexts> {
    return Promise.all(
      this.#sources.map((source, index) =>
        source.current().catch((error: SdError) => {
          const field = `${this.#pathOf(index)}${(error.field ?? '').replace(/^tls(?:\.ca$)?/, '')}`
          const message = error.message.replace(/\btls\.\w+/, field)
          throw new SdError(error.code, `Listener ${this.#listener}: ${message}`, {
            cause: error,
            field,
            origin: 'local',
            retryable: true,
          })
        }),
      ),
    )
  }

  /** Prepares certificates for handshakes. @throws SdError `SD_INVALID` that names the field, without key material */
  prepare(texts: CertificateTexts): CertificateChoice {
    const { certificates, minVersion = 'TLSv1.2' } = this.#tls
    const ca = texts[certificates.length]?.ca
    const byName = new Map<string, SecureContext>()
    const contexts = certificates.map((certificate, index) => {
      const { cert = '', key = '' } = texts[index] as TlsCertificates
      try {
        const context = createSecureContext({ cert, key, ca, minVersion })
        for (const name of certificate.serverNames ?? namesOf(cert)) {
          const lower = name.toLowerCase()
          if (!byName.has(lower)) byName.set(lower, context)
        }
        return context
      } catch (cause) {
        throw this.#invalid(this.#pathOf(index), 'the certificate and its key can not be used together', cause)
      }
    })
    if (ca !== undefined) this.#checkAuthorities(ca)
    return {
      first: contexts[0] as SecureContext,
      find: (serverName) => byName.get(serverName.toLowerCase()) ?? byName.get(wildcardOf(serverName.toLowerCase())),
    }
  }

  /** OpenSSL ignores an authority that it can't read, and with it all clients of that authority. */
  #checkAuthorities(ca: string): void {
    try {
      new X509Certificate(ca)
    } catch (cause) {
      throw this.#invalid('tls.clientCa', 'not a certificate', cause)
    }
  }

  #pathOf(index: number): string {
    return index < this.#tls.certificates.length ? `tls.certificates[${index}]` : 'tls.clientCa'
  }

  #invalid(field: string, what: string, cause: unknown): SdError {
    const { code = 'unknown' } = cause as { code?: string }
    return new SdError('SD_INVALID', `Listener ${this.#listener}: ${field}: ${what} (${code})`, { cause, field, origin: 'local' })
  }
}

function namesOf(cert: string): readonly string[] {
  const names = new X509Certificate(cert).subjectAltName ?? ''
  return [...names.matchAll(/(?:^|, )DNS:([^,"]+)/g)].map(([, name = '']) => name)
}

/** A wildcard stands for exactly one label (RFC 6125, 6.4.3). */
function wildcardOf(serverName: string): string {
  return `*${serverName.slice(serverName.indexOf('.'))}`
}

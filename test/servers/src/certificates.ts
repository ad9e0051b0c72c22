/// <reference path="./web-crypto.d.ts" />
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An authority, a server certificate for loopback and a client certificate. */
export interface CertificateSet {
  /** Certificate of the authority. */
  readonly ca: string
  /** For `localhost`, `127.0.0.1` and `::1`, and for the server as a client of its peers. */
  readonly server: Certificate
  /** For the client `tester`. */
  readonly client: Certificate
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const dayMs = 86_400_000
/** Tolerance for clocks that differ slightly, in milliseconds. */
const skewMs = 3_600_000

cryptoProvider.set(webcrypto as never)

/**
 * Creates an authority and certificates that are valid for a day, without an external program. @param serverNames DNS
 * names besides localhost
 */
export async function createCertificates(serverNames: readonly string[] = []): Promise<CertificateSet> {
  const notBefore = new Date(Date.now() - skewMs)
  const notAfter = new Date(Date.now() + dayMs)
  const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>
  const authorityKeys = await newKeys()
  const authority = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=test authority',
    keys: authorityKeys,
    signingAlgorithm: algorithm,
    notBefore,
    notAfter,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })

  async function issue(commonName: string, extensions: Extension[]): Promise<Certificate> {
    const keys = await newKeys()
    const issued: X509Certificate = await X509CertificateGenerator.create({
      subject: `CN=${commonName}`,
      issuer: authority.subject,
      publicKey: keys.publicKey,
      signingKey: authorityKeys.privateKey,
      signingAlgorithm: algorithm,
      notBefore,
      notAfter,
      extensions,
    })
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
    return { cert: issued.toString('pem'), key: PemConverter.encode(key, 'PRIVATE KEY') }
  }

  const names: JsonGeneralNames = [
    ...['localhost', ...serverNames].map((value) => ({ type: 'dns' as const, value })),
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ]
  const { serverAuth, clientAuth } = ExtendedKeyUsage
  return {
    ca: authority.toString('pem'),
    server: await issue('localhost', [
      new ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      new SubjectAlternativeNameExtension(names),
    ]),
    client: await issue('tester', [new ExtendedKeyUsageExtension([clientAuth])]),
  }
}

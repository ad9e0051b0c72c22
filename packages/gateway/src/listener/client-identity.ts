import type { X509Certificate } from 'node:crypto'
import type { ClientIdentity } from './connection.ts'

/** Field that tells services about the certificate of a client. */
export const CLIENT_CERTIFICATE_HEADER = 'x-forwarded-client-cert'

/** Reads the identity in a client certificate. */
export function readClientIdentity(certificate: X509Certificate): ClientIdentity {
  return {
    // RFC 4514: the most specific part comes first.
    subject: certificate.subject.split('\n').reverse().join(','),
    names: (certificate.subjectAltName?.match(/(?:[^,"]|"(?:\\.|[^"\\])*")+/g) ?? []).map((name) => name.trim()),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  }
}

/** The value of {@link CLIENT_CERTIFICATE_HEADER}, as Envoy writes it: `Hash=…;Subject="CN=orders";URI=spiffe://…`. */
export function formatClientIdentity({ subject, names, fingerprint }: ClientIdentity): string {
  const parts = [`Hash=${fingerprint}`, `Subject="${quote(subject)}"`]
  for (const name of names) {
    const [, kind, value = ''] = /^(URI|DNS):(.*)$/.exec(name) ?? []
    if (kind) parts.push(`${kind}=${/[",;=\s]/.test(value) ? `"${quote(value)}"` : value}`)
  }
  return parts.join(';')
}

/** Quotes are escaped, and characters that a field can't carry are replaced. */
function quote(text: string): string {
  return text.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?')
}

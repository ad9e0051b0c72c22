/** Java says so where there is none. */
const badCertificate = 'the server refuses the client certificate, or wants one: see tls.cert and tls.key'
const handshakeFailure = 'the server refuses the handshake: does it want a client certificate (tls.cert, tls.key)?'

/** What codes of Node's and OpenSSL's errors say about how a connection is configured. */
const hints: Readonly<Record<string, string>> = {
  EPROTO: 'the server does not speak TLS here: is the server given as "http://"?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS here: is the server given as "http://"?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server does not speak TLS here: is the server given as "http://"?',
  HPE_INVALID_CONSTANT: 'the server does not speak HTTP here: is the server given as "https://"?',
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is signed by itself: give it as tls.ca",
  SELF_SIGNED_CERT_IN_CHAIN: "the authority of the server's certificate is not trusted: give it as tls.ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the authority of the server's certificate is not known: give it as tls.ca",
  CERT_SIGNATURE_FAILURE: "the server's certificate is of another authority of the same name: give it as tls.ca",
  UNABLE_TO_GET_ISSUER_CERT: "the authority of the server's certificate is not known: give it as tls.ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the authority of the server's certificate is not known: give it as tls.ca",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: are the clocks right?",
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name: set tls.serverName to one that it has',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the server wants a client certificate: set tls.cert and tls.key',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the server does not trust the authority of the client certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: badCertificate,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: handshakeFailure,
  // The same two since OpenSSL 3.5.
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': badCertificate,
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': handshakeFailure,
}

/**
 * What an operator can do about an error of a connection: wrong scheme, unknown authority, wrong name, missing client certificate. Judged
 * by the error's code, or that of its causes, never by its words.
 *
 * @returns `undefined` where the code says nothing more than the error itself
 */
export function connectionHint(error: unknown): string | undefined {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
    const { code } = one as { readonly code?: unknown }
    if (typeof code === 'string' && Object.hasOwn(hints, code)) return hints[code]
  }
  return undefined
}

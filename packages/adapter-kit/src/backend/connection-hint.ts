/** Java servers send this alert if there is no certificate. */
const badCertificate = 'the server rejected the client certificate, or requires one: see tls.cert and tls.key'
const handshakeFailure = 'the server rejected the handshake; it may require a client certificate: see tls.cert and tls.key'

/** Hints for error codes of Node and OpenSSL that point to a configuration mistake. */
const hints: Readonly<Record<string, string>> = {
  EPROTO: 'the server does not use TLS: write its address with "http://"',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not use TLS: write its address with "http://"',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server does not use TLS: write its address with "http://"',
  HPE_INVALID_CONSTANT: 'the server does not speak plain HTTP: write its address with "https://"',
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is self-signed: set it as tls.ca",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate authority is not trusted: set it as tls.ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate authority is unknown: set it as tls.ca",
  CERT_SIGNATURE_FAILURE:
    "the server's certificate comes from another authority with the same name: set that authority as tls.ca",
  UNABLE_TO_GET_ISSUER_CERT: "the server's certificate authority is unknown: set it as tls.ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate authority is unknown: set it as tls.ca",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: check the clocks",
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name: set tls.serverName to a name in the certificate',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the server requires a client certificate: set tls.cert and tls.key',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the server does not trust the authority of the client certificate',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: badCertificate,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: handshakeFailure,
  // The same two since OpenSSL 3.5.
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': badCertificate,
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': handshakeFailure,
}

/**
 * Returns what an operator can do about a connection error: wrong scheme, unknown authority, wrong name, missing client
 * certificate. Uses only the error codes of the error and its causes, never their messages.
 *
 * @returns `undefined` if the code adds nothing to the error itself
 */
export function connectionHint(error: unknown): string | undefined {
  for (let one: unknown = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
    const { code } = one as { readonly code?: unknown }
    if (typeof code === 'string' && Object.hasOwn(hints, code)) return hints[code]
  }
  return undefined
}

/**
 * Signatures by a private key, which only the issuer has. None of them is `none`, and none an HMAC: with an HMAC everyone
 * who can verify a token can also make one, and a public key that is taken for its secret is known to everyone.
 */
export const tokenAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** Algorithm of a signature (RFC 7518, RFC 8037, RFC 9864). */
export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

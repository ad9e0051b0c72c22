import { SdError } from '@sd/core'
import { type CryptoKey, decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { ResolvedAuthJwt } from './auth-jwt-options.ts'
import type { KeyStore } from './key-store.ts'

/** Why a token is not accepted, in a sentence for the client. */
export class InvalidToken extends Error {}

const descriptions: Readonly<Record<string, string>> = {
  aud: 'The token is not for this audience.',
  iss: 'The issuer of the token is not accepted.',
  nbf: 'The token is not valid yet.',
  typ: 'The type of the token is not accepted.',
}

/** Prepares the verification of tokens by the options of a route. */
export function createVerifier(options: ResolvedAuthJwt, keys: KeyStore): (token: string) => Promise<JWTPayload> {
  const { issuer, audience, algorithms, maxAgeMs, type, clockToleranceMs } = options
  const clockTolerance = clockToleranceMs / 1_000
  const checks: JWTVerifyOptions = {
    algorithms,
    issuer,
    clockTolerance,
    requiredClaims: ['exp'],
    ...(audience && { audience }),
    ...(maxAgeMs !== undefined && { maxTokenAge: maxAgeMs / 1_000 }),
    ...(type !== undefined && { typ: type }),
  }

  /** @throws InvalidToken; SdError `SD_UNAVAILABLE` if the keys of the issuer are not known */
  return async function verify(token) {
    try {
      const header = decodeProtectedHeader(token)
      const { alg, kid } = header
      // Before keys are looked up: what can't be right must not cause a request to the issuer.
      if (!algorithms.includes(alg ?? '') || (kid !== undefined && typeof kid !== 'string')) throw new InvalidToken()
      const payload = await verifyByOne(token, await keys.find({ ...header, alg: alg as string }), checks)
      if (payload.iat !== undefined && payload.iat > Date.now() / 1_000 + clockTolerance) {
        throw new InvalidToken('The token was issued in the future.')
      }
      return payload
    } catch (error) {
      if (error instanceof SdError) throw error
      throw error instanceof InvalidToken && error.message !== '' ? error : new InvalidToken(describe(error))
    }
  }
}

/** Tokens without the id of a key may be signed by any of several. */
async function verifyByOne(token: string, keys: readonly CryptoKey[], checks: JWTVerifyOptions): Promise<JWTPayload> {
  for (const key of keys) {
    try {
      return (await jwtVerify(token, key, checks)).payload
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
    }
  }
  throw new InvalidToken('The signature of the token is not valid.')
}

function describe(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired.'
  const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : ''
  return descriptions[claim] ?? 'The token is not valid.'
}

import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type JWK, type JWTHeaderParameters, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'

/** A pair of keys and its public half as the issuer publishes it. */
export interface IssuerKey {
  readonly alg: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: JWK
}

/** Creates a key. @param kid absent for a key without an id */
export function createKey(alg: 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA', kid?: string): IssuerKey {
  const { privateKey, publicKey } = createPair(alg)
  const jwk = { ...(publicKey.export({ format: 'jwk' }) as JWK), alg, use: 'sig', ...(kid !== undefined && { kid }) }
  return { alg, privateKey, publicKey, jwk }
}

function createPair(alg: string) {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  if (alg.startsWith('ES')) return generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' })
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

export const issuer = 'https://issuer.example'
export const audience = 'orders'

/** Seconds since 1970, some seconds from now. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds

/** Claims that the gateway accepts. */
export const goodClaims = (): Record<string, unknown> => ({ iss: issuer, aud: audience, sub: 'alice', exp: inSeconds(300) })

/** Signs a token as an issuer does. @param claims `undefined` removes one of those that are accepted */
export function sign(key: IssuerKey, claims: Readonly<Record<string, unknown>> = {}, header: object = {}): Promise<string> {
  const { kid } = key.jwk
  const all = { alg: key.alg, ...(kid !== undefined && { kid }), ...header } as JWTHeaderParameters
  const present = Object.entries({ ...goodClaims(), ...claims }).filter(([, value]) => value !== undefined)
  return new SignJWT(Object.fromEntries(present)).setProtectedHeader(all).sign(key.privateKey)
}

/** Puts a token together from any header, claims and signature, which no library would. */
export function forge(header: unknown, claims: unknown, signature: string | ((input: string) => string)): string {
  const encode = (part: unknown) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${typeof signature === 'string' ? signature : signature(input)}`
}

/** An HMAC with any text as the secret. */
export const hmac =
  (secret: string | Buffer) =>
  (input: string): string =>
    createHmac('sha256', secret).update(input).digest('base64url')

/** A server of keys. */
export interface Issuer {
  readonly url: string
  readonly port: number
  /** Requests so far. */
  readonly requests: string[]
  /** What it responds. */
  keys: readonly object[]
  respond: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  /** Ends it, and all connections. */
  kill(): Promise<void>
  /** Starts it again at the same port. */
  restart(): Promise<void>
}

/** Starts a server of keys, until the end of the test. */
export async function startIssuer(keys: readonly object[]): Promise<Issuer> {
  const server = createServer((request, response) => {
    result.requests.push(request.url ?? '')
    if (result.respond) result.respond(request, response)
    else response.end(JSON.stringify({ keys: result.keys }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const result: Issuer = {
    url: `http://127.0.0.1:${port}/keys`,
    port,
    requests: [],
    keys,
    respond: undefined,
    async kill() {
      const closed = once(server, 'close')
      server.close().closeAllConnections()
      await closed
    },
    async restart() {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    },
  }
  onTestFinished(() => void server.close().closeAllConnections())
  return result
}

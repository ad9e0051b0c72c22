import { createSign } from 'node:crypto'
import { expect, test } from 'vitest'
import type { AuthJwtOptions } from './index.ts'
import { startEdge } from './testing/start-edge.ts'
import { audience, createKey, forge, goodClaims, hmac, inSeconds, issuer, sign, startIssuer } from './testing/start-issuer.ts'

const rs = createKey('RS256', 'rs')
const ps = createKey('PS256', 'ps')
const es = createKey('ES256', 'es')
const ed = createKey('EdDSA', 'ed')
const es384 = createKey('ES384', 'es384')
const attacker = createKey('RS256', 'rs')
const encryption = createKey('ES256', 'enc')
const secret = 'a secret that is published by mistake and long enough'
const published = [
  rs.jwk,
  ps.jwk,
  es.jwk,
  ed.jwk,
  es384.jwk,
  { ...encryption.jwk, use: 'enc' },
  { kty: 'oct', kid: 'mac', alg: 'HS256', k: Buffer.from(secret).toString('base64url') },
]

const pem = rs.publicKey.export({ type: 'spki', format: 'pem' }) as string
const der = rs.publicKey.export({ type: 'spki', format: 'der' })
const parts = async (): Promise<[string, string, string]> => (await sign(rs)).split('.') as [string, string, string]
const rsHeader = { alg: 'RS256', kid: 'rs' }
const signRs = (input: string): string => createSign('sha256').update(input).sign(rs.privateKey, 'base64url')
const signDer = (input: string): string => createSign('sha256').update(input).sign(es.privateKey, 'base64url')
const text = (length: number): string => 'x'.repeat(length)

type Token = string | Promise<string>
const invalid = (why = '') => [401, `Bearer error="invalid_token", error_description="The ${why}`] as const
const passes = [200, undefined] as const

// Values: the token, and the expected status with the beginning of `www-authenticate`.
const rows: readonly (readonly [string, () => Token, readonly [number, string | undefined]])[] = [
  ['RS256', () => sign(rs), passes],
  ['PS256', () => sign(ps), passes],
  ['ES256', () => sign(es), passes],
  ['ES384', () => sign(es384), passes],
  ['EdDSA', () => sign(ed), passes],
  ['no id of a key, one key of the algorithm', () => sign(es, {}, { kid: undefined }), passes],

  ...['none', 'None', 'NONE', 'nOnE', ' none', 'none ', 'none\0', ''].flatMap((alg) => [
    [`none: "${alg}" without a signature`, () => forge({ alg }, goodClaims(), ''), invalid('token')] as const,
    [`none: "${alg}" with a signature`, () => forge({ alg, kid: 'rs' }, goodClaims(), signRs), invalid('token')] as const,
  ]),
  ['none: no alg', () => forge({ typ: 'JWT' }, goodClaims(), ''), invalid('token')],
  ['none: alg is a number', () => forge({ alg: 0 }, goodClaims(), ''), invalid('token')],
  ['none: alg is an array', () => forge({ alg: ['RS256'] }, goodClaims(), signRs), invalid('token')],

  ['confusion: HS256 by the PEM', () => forge({ alg: 'HS256', kid: 'rs' }, goodClaims(), hmac(pem)), invalid('token')],
  [
    'confusion: HS256 by the trimmed PEM',
    () => forge({ alg: 'HS256', kid: 'rs' }, goodClaims(), hmac(pem.trim())),
    invalid('token'),
  ],
  ['confusion: HS256 by the DER', () => forge({ alg: 'HS256', kid: 'rs' }, goodClaims(), hmac(der)), invalid('token')],
  [
    'confusion: HS256 by the JWK',
    () => forge({ alg: 'HS256', kid: 'rs' }, goodClaims(), hmac(JSON.stringify(rs.jwk))),
    invalid('token'),
  ],
  [
    'confusion: HS256 by the modulus',
    () => forge({ alg: 'HS256', kid: 'rs' }, goodClaims(), hmac(Buffer.from(rs.jwk.n as string, 'base64url'))),
    invalid('token'),
  ],
  ['confusion: HS256 by the empty secret', () => forge({ alg: 'HS256', kid: 'rs' }, goodClaims(), hmac('')), invalid('token')],
  [
    'confusion: HS256 by a published secret',
    () => forge({ alg: 'HS256', kid: 'mac' }, goodClaims(), hmac(secret)),
    invalid('token'),
  ],
  ['confusion: hs256 in lower case', () => forge({ alg: 'hs256', kid: 'rs' }, goodClaims(), hmac(pem)), invalid('token')],
  ['confusion: RS256 says PS256', () => forge({ alg: 'PS256', kid: 'rs' }, goodClaims(), signRs), invalid('signature')],
  ['confusion: ES256 by a key for RS256', () => forge({ alg: 'ES256', kid: 'rs' }, goodClaims(), signRs), invalid('signature')],
  ['confusion: a key for encryption', () => sign(encryption), invalid('signature')],

  [
    'signature: zeros for ES256',
    () => forge({ alg: 'ES256', kid: 'es' }, goodClaims(), Buffer.alloc(64).toString('base64url')),
    invalid('signature'),
  ],
  [
    'signature: zeros for EdDSA',
    () => forge({ alg: 'EdDSA', kid: 'ed' }, goodClaims(), Buffer.alloc(64).toString('base64url')),
    invalid('signature'),
  ],
  [
    'signature: zeros for RS256',
    () => forge(rsHeader, goodClaims(), Buffer.alloc(256).toString('base64url')),
    invalid('signature'),
  ],
  ['signature: DER for ES256', () => forge({ alg: 'ES256', kid: 'es' }, goodClaims(), signDer), invalid('signature')],
  ['signature: none', () => forge(rsHeader, goodClaims(), ''), invalid('signature')],
  ['signature: cut', async () => (await sign(rs)).slice(0, -4), invalid('signature')],
  ['signature: of another key with this id', () => sign(attacker), invalid('signature')],
  [
    'signature: other claims',
    async () =>
      [
        (await parts())[0],
        Buffer.from(JSON.stringify({ ...goodClaims(), sub: 'root' })).toString('base64url'),
        (await parts())[2],
      ].join('.'),
    invalid('signature'),
  ],
  [
    'signature: another header',
    async () =>
      [Buffer.from(JSON.stringify({ ...rsHeader, typ: 'x' })).toString('base64url'), ...(await parts()).slice(1)].join('.'),
    invalid('signature'),
  ],

  ['key: in jwk', () => sign(attacker, {}, { kid: undefined, jwk: attacker.jwk }), invalid('signature')],
  ['key: in jwk, id of another', () => sign(attacker, {}, { jwk: attacker.jwk }), invalid('signature')],
  ['key: jwk of the signer is not looked at', () => sign(rs, {}, { jwk: attacker.jwk }), passes],

  ...[
    '../../dev/null',
    '/dev/null',
    "rs' OR '1'='1",
    "x' UNION SELECT 'secret'--",
    'rs\0',
    'RS',
    ' rs',
    '__proto__',
    'constructor',
    'toString',
    '$(id)',
    '',
    text(3_000),
  ].map((kid) => [`kid: ${JSON.stringify(kid.slice(0, 30))}`, () => sign(attacker, {}, { kid }), invalid('signature')] as const),
  ...['../../dev/null', ''].map(
    (kid) =>
      [
        `kid: HS256 by an empty file, ${JSON.stringify(kid)}`,
        () => forge({ alg: 'HS256', kid }, goodClaims(), hmac('')),
        invalid('token'),
      ] as const,
  ),
  ...[7, null, {}, ['rs'], true].map(
    (kid) => [`kid: ${JSON.stringify(kid)}`, () => forge({ alg: 'RS256', kid }, goodClaims(), signRs), invalid('token')] as const,
  ),

  ['crit: unknown', () => forge({ ...rsHeader, crit: ['x'], x: 1 }, goodClaims(), signRs), invalid('token')],
  ['crit: empty', () => forge({ ...rsHeader, crit: [] }, goodClaims(), signRs), invalid('token')],
  ['crit: no array', () => forge({ ...rsHeader, crit: 'exp' }, goodClaims(), signRs), invalid('token')],
  ['crit: b64', () => forge({ ...rsHeader, crit: ['b64'], b64: false }, goodClaims(), signRs), invalid('token')],

  ['time: expired', () => sign(rs, { exp: inSeconds(-90) }), invalid('token has expired')],
  ['time: expired within the tolerance', () => sign(rs, { exp: inSeconds(-30) }), passes],
  ['time: no exp', () => sign(rs, { exp: undefined }), invalid('token')],
  ['time: exp is a text', () => sign(rs, { exp: String(inSeconds(300)) }), invalid('token')],
  ['time: exp is null', () => forge(rsHeader, { ...goodClaims(), exp: null }, signRs), invalid('token')],
  [
    'time: exp is not finite',
    () => forge(rsHeader, JSON.stringify(goodClaims()).replace(/"exp":\d+/, '"exp":-1e999'), signRs),
    invalid('token has expired'),
  ],
  ['time: exp is 0', () => sign(rs, { exp: 0 }), invalid('token has expired')],
  ['time: exp is a fraction', () => sign(rs, { exp: inSeconds(300) + 0.5 }), passes],
  ['time: exp in milliseconds is far away', () => sign(rs, { exp: Date.now() }), passes],
  ['time: not yet valid', () => sign(rs, { nbf: inSeconds(120) }), invalid('token is not valid yet')],
  ['time: not yet valid within the tolerance', () => sign(rs, { nbf: inSeconds(30) }), passes],
  ['time: nbf is a text', () => sign(rs, { nbf: '0' }), invalid('token')],
  ['time: issued in the future', () => sign(rs, { iat: inSeconds(120) }), invalid('token was issued in the future')],
  ['time: issued in the future within the tolerance', () => sign(rs, { iat: inSeconds(30) }), passes],
  ['time: issued long ago', () => sign(rs, { iat: 0 }), passes],
  ['time: iat is a text', () => sign(rs, { iat: 'now' }), invalid('token')],

  ['issuer: another', () => sign(rs, { iss: 'https://evil.example' }), invalid('issuer')],
  ['issuer: with a slash', () => sign(rs, { iss: `${issuer}/` }), invalid('issuer')],
  ['issuer: none', () => sign(rs, { iss: undefined }), invalid('issuer')],
  ['issuer: an array', () => sign(rs, { iss: [issuer] }), invalid('issuer')],
  ['audience: another', () => sign(rs, { aud: 'payments' }), invalid('token is not for this audience')],
  ['audience: one of several', () => sign(rs, { aud: ['payments', audience] }), passes],
  ['audience: several others', () => sign(rs, { aud: ['payments', 'orders2'] }), invalid('token is not for this audience')],
  ['audience: none', () => sign(rs, { aud: undefined }), invalid('token is not for this audience')],
  ['audience: empty', () => sign(rs, { aud: [] }), invalid('token is not for this audience')],

  ['form: claims that are not an object', () => forge(rsHeader, '[]', signRs), invalid('token')],
  ['form: claims that are not JSON', () => forge(rsHeader, '{', signRs), invalid('token')],
  ['form: a header that is not JSON', () => forge('{', goodClaims(), signRs), invalid('token')],
  ['form: a header that is not an object', () => forge('"RS256"', goodClaims(), signRs), invalid('token')],
  ['form: two parts', async () => (await parts()).slice(0, 2).join('.'), invalid('token')],
  ['form: encrypted, five parts', async () => `${await sign(rs)}.x.y`, invalid('token')],
  ['form: one word', () => 'abc', invalid('token')],
  ['form: points', () => '..', invalid('token')],
  ['form: too long', () => sign(rs, { more: text(8_000) }), invalid('token is too long')],
]

test('tokens', async () => {
  const server = await startIssuer(published)
  const options: AuthJwtOptions = { issuer, audience, jwksUrl: server.url, clockToleranceMs: 60_000 }
  const edge = await startEdge({ orders: options })
  const results: unknown[] = []
  for (const [name, token, [, challenge]] of rows) {
    const response = await edge.send('orders', await token())
    const said = challenge === undefined ? response.challenge : response.challenge?.slice(0, challenge.length)
    results.push([name, response.status, said])
  }
  expect(results).toEqual(rows.map(([name, , [status, challenge]]) => [name, status, challenge]))
  // Once at the start. Ids that are not known cause no more, within the cooldown.
  expect(server.requests).toEqual(['/keys'])
})

test('no URL of a token is ever opened', async () => {
  const server = await startIssuer(published)
  const evil = await startIssuer([attacker.jwk])
  const edge = await startEdge({ orders: { issuer, audience, jwksUrl: server.url } })
  for (const header of [
    { jku: evil.url },
    { x5u: evil.url },
    { kid: evil.url },
    { kid: 'other', jku: evil.url, x5u: evil.url },
  ]) {
    expect((await edge.send('orders', await sign(attacker, {}, header))).status).toBe(401)
  }
  expect((await edge.send('orders', await sign(rs, {}, { jku: evil.url, x5u: evil.url }))).status).toBe(200)
  expect(evil.requests).toEqual([])
})

test('options of a route limit what is accepted', async () => {
  const keys = [rs.jwk, es.jwk] as Record<string, unknown>[]
  const common = { issuer, audience, keys }
  const edge = await startEdge({
    es: { ...common, algorithms: ['ES256'] },
    access: { ...common, type: 'at+jwt' },
    young: { ...common, maxAgeMs: 60_000 },
    any: { ...common, audience: false, issuer: ['https://other.example', issuer] },
    exact: { ...common, clockToleranceMs: 0 },
    long: { ...common, maxTokenLength: 20_000 },
    small: { ...common, maxTokenLength: 200 },
  })
  const table: readonly (readonly [string, Token, number])[] = [
    ['es', sign(es), 200],
    ['es', sign(rs), 401],
    ['access', sign(rs, {}, { typ: 'at+jwt' }), 200],
    ['access', sign(rs, {}, { typ: 'application/AT+JWT' }), 200],
    ['access', sign(rs, {}, { typ: 'JWT' }), 401],
    ['access', sign(rs, {}, { typ: 'logout+jwt' }), 401],
    ['access', sign(rs), 401],
    ['young', sign(rs, { iat: inSeconds(-10) }), 200],
    ['young', sign(rs, { iat: inSeconds(-600) }), 401],
    ['young', sign(rs), 401],
    ['any', sign(rs, { aud: undefined }), 200],
    ['any', sign(rs, { aud: 'payments' }), 200],
    ['any', sign(rs, { iss: 'https://third.example' }), 401],
    ['exact', sign(rs, { exp: inSeconds(-1) }), 401],
    ['exact', sign(rs, { nbf: inSeconds(30) }), 401],
    ['long', sign(rs, { more: text(7_000) }), 200],
    ['small', sign(rs), 401],
  ]
  for (const [route, token, status] of table) {
    expect([route, await token, (await edge.send(route, await token)).status]).toEqual([route, await token, status])
  }
})

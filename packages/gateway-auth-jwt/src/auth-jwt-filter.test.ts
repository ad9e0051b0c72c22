import type { GatewayFilter } from '@sd/gateway'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { type AuthJwtOptions, createAuthJwtFilter } from './index.ts'
import { type EdgeResponse, startEdge } from './testing/start-edge.ts'
import { audience, createKey, forge, goodClaims, issuer, sign } from './testing/start-issuer.ts'

const key = createKey('ES256', 'es')
const common = { issuer, audience, keys: [key.jwk as Record<string, unknown>] }
const token = await sign(key)
const other = await sign(key, { sub: 'bob' })

describe('a token', () => {
  const sources: Readonly<Record<string, AuthJwtOptions>> = {
    default: common,
    named: { ...common, header: 'X-Token' },
    cookie: { ...common, cookie: 'session' },
    both: { ...common, header: 'authorization', cookie: 'session' },
    optional: { ...common, optional: true },
  }
  const malformed = 'Bearer error="invalid_request", error_description="The token is malformed."'
  const several = 'Bearer error="invalid_request", error_description="The request has more than one token."'

  test('is found in one place, and several are refused', async () => {
    const rows: readonly (readonly [string, readonly string[], number, string?])[] = [
      ['default', ['authorization', `Bearer ${token}`], 200],
      ['default', ['Authorization', `bEARER   ${token}`], 200],
      ['default', [], 401, 'Bearer'],
      ['default', ['authorization', 'Basic YTpi'], 401, 'Bearer'],
      ['default', ['authorization', token], 401, 'Bearer'],
      ['default', ['x-token', token], 401, 'Bearer'],
      ['default', ['cookie', `session=${token}`], 401, 'Bearer'],
      ['default', ['authorization', 'Bearer'], 400, malformed],
      ['default', ['authorization', `Bearer ${token} ${token}`], 400, malformed],
      ['default', ['authorization', `Bearer ${token}, Bearer ${token}`], 400, malformed],
      ['default', ['authorization', `Bearer\t${token}`], 401, 'Bearer'],
      ['default', ['authorization', 'Bearer é'], 400, malformed],
      ['default', ['authorization', `Bearer ${token}`, 'authorization', `Bearer ${other}`], 400, several],
      ['default', ['authorization', 'Basic YTpi', 'authorization', `Bearer ${token}`], 400, several],
      ['optional', ['authorization', 'Basic YTpi', 'authorization', `Bearer ${token}`], 400, several],
      ['optional', [], 200],
      ['optional', ['authorization', 'Basic YTpi'], 200],
      ['optional', ['authorization', `Bearer ${token}`], 200],
      [
        'optional',
        ['authorization', `Bearer ${token}x`],
        401,
        'Bearer error="invalid_token", error_description="The signature of the token is not valid."',
      ],
      ['optional', ['authorization', 'Bearer'], 400, malformed],
      ['named', ['x-token', token], 200],
      ['named', ['x-token', `Bearer ${token}`], 400, malformed],
      ['named', ['authorization', `Bearer ${token}`], 401, 'Bearer'],
      ['named', ['x-token', token, 'X-Token', other], 400, several],
      ['cookie', ['cookie', `a=b; session=${token}; c=d`], 200],
      ['cookie', ['cookie', `session="${token}"`], 200],
      ['cookie', ['cookie', `Session=${token}`], 401, 'Bearer'],
      ['cookie', ['cookie', `xsession=${token}`], 401, 'Bearer'],
      ['cookie', ['cookie', `session=${token}; session=${other}`], 400, several],
      ['cookie', ['cookie', 'session='], 400, malformed],
      ['cookie', ['authorization', `Bearer ${token}`], 401, 'Bearer'],
      ['both', ['authorization', `Bearer ${token}`, 'cookie', 'a=b'], 200],
      ['both', ['cookie', `session=${token}`], 200],
      ['both', ['authorization', `Bearer ${token}`, 'cookie', `session=${other}`], 400, several],
    ]
    const { send } = await startEdge(sources)
    const results: unknown[] = []
    for (const [route, fields] of rows) {
      const { status, challenge } = await send(route, fields)
      results.push([route, fields, status, challenge])
    }
    expect(results).toEqual(rows.map(([route, fields, status, challenge]) => [route, fields, status, challenge]))
  })

  test('is removed on request, and everything else is left', async () => {
    const { send } = await startEdge({
      default: { ...common, removeToken: true },
      cookie: { ...common, cookie: 'session', removeToken: true },
      kept: common,
    })
    expect((await send('kept', token)).received).toMatchObject({ authorization: `Bearer ${token}` })
    const { received } = await send('default', ['authorization', `Bearer ${token}`, 'x-a', 'b'])
    expect(received).toMatchObject({ 'x-a': 'b' })
    expect(received).not.toHaveProperty('authorization')
    const cookies = await send('cookie', ['cookie', `a=b; session=${token}; c="d"`, 'authorization', 'Basic YTpi'])
    expect(cookies.received).toMatchObject({ cookie: 'a=b; c="d"', authorization: 'Basic YTpi' })
    expect((await send('cookie', ['cookie', `session=${token}`])).received).not.toHaveProperty('cookie')
  })
})

test('a refusal has the form of RFC 6750 and of the errors of the gateway, and quotes nothing of the token', async () => {
  const { send } = await startEdge({ orders: { ...common, realm: 'shop' } })
  const none = await send('orders', ['accept', 'application/json'])
  expect(none.challenge).toBe('Bearer realm="shop"')
  expect(none.headers).toMatchObject({ 'content-type': 'application/problem+json', 'x-gateway-error': 'SD_DENIED' })
  expect(JSON.parse(none.body)).toMatchObject({ status: 401, title: 'Unauthorized', detail: 'The request has no token.' })
  const wrong = await send('orders', forge({ alg: 'none' }, { ...goodClaims(), sub: 'hidden' }, ''))
  expect(wrong.challenge).toBe('Bearer realm="shop", error="invalid_token", error_description="The token is not valid."')
  expect(wrong.body).toBe('401 Unauthorized\nThe token is not valid.\n')
})

describe('claims', () => {
  const claims = {
    sub: 'alice',
    tenant: 7,
    admin: true,
    roles: ['reader', 'a, b'],
    realm_access: { roles: ['buyer'] },
    'https://shop.example/plan': 'gold',
    name: 'Zoë 王 100%',
    evil: 'a\r\nx-admin: 1',
    nothing: null,
    address: { city: 'Köln' },
  }

  test('become fields, in place of those of the client', async () => {
    const forwardClaims = {
      sub: 'X-User',
      tenant: 'x-tenant',
      admin: 'x-admin',
      roles: 'x-roles',
      'realm_access.roles': 'x-realm-roles',
      'https://shop.example/plan': 'x-plan',
      name: 'x-name',
      evil: 'x-evil',
      nothing: 'x-nothing',
      missing: 'x-missing',
      address: 'x-address',
      'address.constructor': 'x-constructor',
    }
    const { send } = await startEdge({
      orders: { ...common, forwardClaims },
      optional: { ...common, forwardClaims, optional: true },
    })
    const forged = Object.values(forwardClaims).flatMap((name) => [name, 'forged', name.replaceAll('-', '_'), 'forged'])
    const { received = {} } = await send('orders', ['authorization', `Bearer ${await sign(key, claims)}`, ...forged])
    const own = Object.entries(received).filter(
      ([name]) => name.startsWith('x_') || Object.values(forwardClaims).some((one) => one.toLowerCase() === name),
    )
    expect(Object.fromEntries(own)).toEqual({
      'x-user': 'alice',
      'x-tenant': '7',
      'x-admin': 'true',
      'x-roles': 'reader,a%2C%20b',
      'x-realm-roles': 'buyer',
      'x-plan': 'gold',
      'x-name': encodeURIComponent(claims.name),
      'x-evil': 'a%0D%0Ax-admin%3A%201',
      'x-address': encodeURIComponent('{"city":"Köln"}'),
    })
    const anonymous = await send('optional', forged)
    expect(anonymous.status).toBe(200)
    expect(JSON.stringify(anonymous.received)).not.toContain('forged')
  })

  test('and scopes that a route requires are enough or 403', async () => {
    const rows: readonly (readonly [Partial<AuthJwtOptions>, number])[] = [
      [{ requiredClaims: { sub: 'alice' } }, 200],
      [{ requiredClaims: { sub: 'bob' } }, 403],
      [{ requiredClaims: { sub: ['bob', 'alice'] } }, 200],
      [{ requiredClaims: { sub: '*' } }, 200],
      [{ requiredClaims: { missing: '*' } }, 403],
      [{ requiredClaims: { nothing: '*' } }, 403],
      [{ requiredClaims: { tenant: 7 } }, 200],
      [{ requiredClaims: { tenant: '7' } }, 403],
      [{ requiredClaims: { admin: true } }, 200],
      [{ requiredClaims: { admin: 'true' } }, 403],
      [{ requiredClaims: { roles: 'reader' } }, 200],
      [{ requiredClaims: { roles: 'read' } }, 403],
      [{ requiredClaims: { roles: ['writer', 'reader'] } }, 200],
      [{ requiredClaims: { 'realm_access.roles': 'buyer' } }, 200],
      [{ requiredClaims: { 'realm_access.length': '*' } }, 403],
      [{ requiredClaims: { 'https://shop.example/plan': 'gold' } }, 200],
      [{ requiredClaims: { sub: 'alice', tenant: 8 } }, 403],
      [{ requiredClaims: { toString: '*' } }, 403],
      [{ requiredScopes: ['orders:read'] }, 200],
      [{ requiredScopes: ['orders:read', 'orders:write'] }, 200],
      [{ requiredScopes: ['orders'] }, 403],
      [{ requiredScopes: ['admin'] }, 403],
    ]
    const { send } = await startEdge(Object.fromEntries(rows.map(([options], index) => [`r${index}`, { ...common, ...options }])))
    const good = await sign(key, { ...claims, scope: 'orders:read profile', scp: ['orders:write'] })
    const responses = await Promise.all(rows.map((_, index) => send(`r${index}`, good)))
    expect(responses.map(({ status }, index) => [rows[index]?.[0], status])).toEqual(rows)
    const denied: readonly EdgeResponse[] = responses.filter(({ status }) => status === 403)
    expect(denied[0]?.challenge).toBe(
      'Bearer error="insufficient_scope", error_description="The token does not allow this request."',
    )
    expect(denied.at(-1)?.challenge).toBe(`${denied[0]?.challenge}, scope="admin"`)
  })
})

test('later filters and the events of the gateway see the identity, and only of a token that is accepted', async () => {
  const seen: (string | undefined)[] = []
  const later: GatewayFilter = {
    onRequest(exchange) {
      seen.push(exchange.identity, exchange.header('x-user'))
      return undefined
    },
  }
  const forwardClaims = { sub: 'x-user' }
  const { send, identities } = await startEdge(
    { orders: { ...common, forwardClaims, optional: true }, mail: { ...common, identityClaim: 'email' } },
    { later },
  )
  await send('orders', token)
  await send('orders', ['x-user', 'forged'])
  await send('orders', `${token}x`)
  await send('mail', await sign(key, { email: 'a@b.example' }))
  await send('mail', token)
  expect(seen).toEqual(['alice', 'alice', undefined, undefined, 'a@b.example', undefined, '', undefined])
  await eventually(() => expect(identities).toEqual(['alice', undefined, undefined, 'a@b.example', '']), 20_000)
})

const { privateKey } = key
const privateJwk = privateKey.export({ format: 'jwk' }) as unknown as Record<string, unknown>
test.each<readonly [Readonly<Record<string, unknown>>, string]>([
  [{ issuer: undefined }, 'issuer'],
  [{ issuer: '' }, 'issuer'],
  [{ issuer: [] }, 'issuer'],
  [{ audience: undefined }, 'audience'],
  [{ audience: true }, 'audience'],
  [{ algorithms: [] }, 'algorithms'],
  [{ algorithms: ['none'] }, 'algorithms[0]'],
  [{ algorithms: ['RS256', 'HS256'] }, 'algorithms[1]'],
  [{ algorithms: 'RS256' }, 'algorithms'],
  [{ keys: undefined }, 'jwksUrl'],
  [{ jwksUrl: 'https://issuer.example/keys' }, 'jwksUrl'],
  [{ keys: undefined, jwksUrl: 'ftp://issuer.example/keys' }, 'jwksUrl'],
  [{ keys: undefined, jwksUrl: 'file:///etc/keys' }, 'jwksUrl'],
  [{ keys: undefined, jwksUrl: 'https://user:hidden@issuer.example/keys' }, 'jwksUrl'],
  [{ keys: undefined, jwksUrl: '/keys' }, 'jwksUrl'],
  [{ keys: undefined, jwksUrl: 'service://issuer/keys' }, 'jwksUrl'],
  [{ keys: undefined, jwksFile: '/nowhere/keys' }, 'jwksFile'],
  [{ keys: [] }, 'keys'],
  [{ keys: [privateJwk] }, 'keys[0]'],
  [{ keys: [{ kty: 'oct', k: 'aGlkZGVu' }] }, 'keys[0]'],
  [{ keys: [{ kty: 'RSA' }, 'hidden'] }, 'keys[1]'],
  [{ jwks: { timeoutMs: 0 } }, 'jwks.timeoutMs'],
  [{ jwks: { cacheMs: 1_000, staleMs: 999 } }, 'jwks.staleMs'],
  [{ jwks: { ttlMs: 1 } }, 'jwks.ttlMs'],
  [{ clockToleranceMs: -1 }, 'clockToleranceMs'],
  [{ maxAgeMs: 1 }, 'maxAgeMs'],
  [{ type: 'at jwt' }, 'type'],
  [{ header: 'x:y' }, 'header'],
  [{ cookie: 'a=b' }, 'cookie'],
  [{ maxTokenLength: 1 }, 'maxTokenLength'],
  [{ requiredScopes: ['a b'] }, 'requiredScopes[0]'],
  [{ requiredScopes: ['a"'] }, 'requiredScopes[0]'],
  [{ requiredClaims: { sub: null } }, 'requiredClaims.sub'],
  [{ requiredClaims: { sub: [] } }, 'requiredClaims.sub'],
  [{ forwardClaims: { sub: 'host' } }, 'forwardClaims.sub'],
  [{ forwardClaims: { sub: 'X-Forwarded-For' } }, 'forwardClaims.sub'],
  [{ forwardClaims: { sub: 'Authorization' } }, 'forwardClaims.sub'],
  [{ forwardClaims: { sub: 'x_user' } }, 'forwardClaims.sub'],
  [{ forwardClaims: { sub: 'x user' } }, 'forwardClaims.sub'],
  [{ optional: 'yes' }, 'optional'],
  [{ removeToken: 1 }, 'removeToken'],
  [{ realm: 'a"b' }, 'realm'],
  [{ secret: 'hidden' }, 'secret'],
])('the options with %j are refused for %s', (changes, field) => {
  const create = () => createAuthJwtFilter()({ ...common, ...changes }, { route: 'orders', path: '' })
  expect(create).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  expect(create).not.toThrow(/hidden|aGlkZGVu/)
})

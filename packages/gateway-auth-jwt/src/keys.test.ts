import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { AuthJwtOptions } from './index.ts'
import { type Edge, startEdge } from './testing/start-edge.ts'
import { audience, createKey, issuer, sign, startIssuer } from './testing/start-issuer.ts'

const first = createKey('ES256', 'first')
const second = createKey('ES256', 'second')
const [firstToken, secondToken] = await Promise.all([sign(first), sign(second)])

const options = (jwksUrl: string, jwks: AuthJwtOptions['jwks'] = {}): AuthJwtOptions => ({ issuer, audience, jwksUrl, jwks })
const statusOf = async (edge: Edge, token: string, route = 'orders'): Promise<number> => (await edge.send(route, token)).status

test('many requests and routes cause one request for the keys', async () => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options(server.url), carts: options(server.url) })
  const statuses = await Promise.all(
    Array.from({ length: 40 }, (_, index) => statusOf(edge, firstToken, index % 2 ? 'orders' : 'carts')),
  )
  expect(new Set(statuses)).toEqual(new Set([200]))
  expect(server.requests).toHaveLength(1)
})

test('a new key is accepted as soon as a token names it, and a withdrawn one no longer', async () => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options(server.url, { cooldownMs: 100, cacheMs: 60_000 }) })
  expect(await statusOf(edge, firstToken)).toBe(200)
  server.keys = [first.jwk, second.jwk]
  await eventually(async () => expect(await statusOf(edge, secondToken)).toBe(200), 20_000)
  expect(await statusOf(edge, firstToken)).toBe(200)
  server.keys = [second.jwk]
  const unknown = await sign(first, {}, { kid: 'unknown' })
  await eventually(async () => {
    // The keys are young, so only an id that is not known causes a request for them.
    expect(await statusOf(edge, unknown)).toBe(401)
    expect(await statusOf(edge, firstToken)).toBe(401)
  }, 20_000)
})

test('a key that is published again with the same id replaces the one before, once it is older than the cache', async () => {
  const changed = createKey('ES256', 'first')
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options(server.url, { cacheMs: 200 }) })
  expect(await statusOf(edge, firstToken)).toBe(200)
  server.keys = [changed.jwk]
  await eventually(async () => expect(await statusOf(edge, firstToken)).toBe(401), 20_000)
  expect(await statusOf(edge, await sign(changed))).toBe(200)
})

test('ids that are not known cause at most one request within the cooldown', async () => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options(server.url, { cooldownMs: 60_000 }) })
  const tokens = await Promise.all(Array.from({ length: 30 }, (_, index) => sign(second, {}, { kid: `k${index}` })))
  const statuses = await Promise.all(tokens.map((token) => statusOf(edge, token)))
  expect(new Set(statuses)).toEqual(new Set([401]))
  expect(server.requests).toHaveLength(1)
})

test('keys from before are used while the issuer is unreachable, up to a limit', async () => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({
    orders: options(server.url, { cacheMs: 100, cooldownMs: 100 }),
    strict: options(server.url, { cacheMs: 100, cooldownMs: 100, staleMs: 1_500 }),
  })
  expect(await statusOf(edge, firstToken)).toBe(200)
  expect(await statusOf(edge, firstToken, 'strict')).toBe(200)
  await server.kill()
  await eventually(async () => expect(await statusOf(edge, firstToken, 'strict')).toBe(503), 20_000)
  expect(await statusOf(edge, firstToken)).toBe(200)
  // Whether this key is one of the issuer can't be known now.
  expect(await statusOf(edge, secondToken)).toBe(503)
  server.keys = [second.jwk]
  await server.restart()
  await eventually(async () => expect(await statusOf(edge, secondToken)).toBe(200), 20_000)
  await eventually(async () => expect(await statusOf(edge, firstToken)).toBe(401), 20_000)
  await eventually(async () => expect(await statusOf(edge, secondToken, 'strict')).toBe(200), 20_000)
})

test('an issuer that is unreachable from the start means 503, until it is reachable', async () => {
  const server = await startIssuer([first.jwk])
  await server.kill()
  const edge = await startEdge({ orders: options(server.url, { cooldownMs: 100 }) })
  const refused = await edge.send('orders', firstToken)
  expect([refused.status, refused.challenge, refused.headers['retry-after']]).toEqual([503, undefined, '1'])
  expect(refused.headers['x-gateway-error']).toBe('SD_UNAVAILABLE')
  expect(refused.body).not.toContain(String(server.port))
  expect(await statusOf(edge, 'not.a.token')).toBe(401)
  await server.restart()
  await eventually(async () => expect(await statusOf(edge, firstToken)).toBe(200), 20_000)
})

test('a paused issuer holds up one request for its keys, not those that follow', async () => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options(server.url, { cacheMs: 100, timeoutMs: 300, cooldownMs: 60_000 }) })
  await eventually(async () => expect(await statusOf(edge, firstToken)).toBe(200), 20_000)
  const before = server.requests.length
  server.respond = () => undefined
  await eventually(async () => {
    expect(await statusOf(edge, firstToken)).toBe(200)
    expect(server.requests.length).toBeGreaterThan(before)
  }, 20_000)
  for (let count = 0; count < 10; count++) expect(await statusOf(edge, firstToken)).toBe(200)
  server.respond = undefined
  server.keys = [second.jwk]
  await eventually(async () => expect(await statusOf(edge, secondToken)).toBe(200), 20_000)
})

/** Writes a body that does not end. */
function writeForever(response: ServerResponse): void {
  const fill = (): void => {
    if (response.destroyed) return
    response.write('x'.repeat(65_536))
    setImmediate(fill)
  }
  fill()
}

test.each<readonly [string, (response: ServerResponse) => void]>([
  ['an error', (response) => response.writeHead(500).end()],
  ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end()],
  ['no content', (response) => response.writeHead(204).end()],
  ['another document', (response) => response.end('<html>')],
  ['no list', (response) => response.end('{"keys":{}}')],
  ['no public keys', (response) => response.end('{"keys":[{"kty":"oct","k":"YQ"}]}')],
  ['too many keys', (response) => response.end(JSON.stringify({ keys: Array(101).fill(first.jwk) }))],
  ['a body without an end', writeForever],
])('%s in place of keys is refused, and keys from before stay in use', async (_, respond) => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options(server.url, { cacheMs: 100, cooldownMs: 100 }) })
  expect(await statusOf(edge, firstToken)).toBe(200)
  const before = server.requests.length
  server.respond = (_request, response) => {
    response.on('error', () => undefined)
    respond(response)
  }
  await eventually(async () => {
    expect(await statusOf(edge, firstToken)).toBe(200)
    expect(server.requests.length).toBeGreaterThan(before + 1)
  }, 20_000)
  expect(new Set(server.requests)).toEqual(new Set(['/keys']))
})

test('a set with unusable keys is used for the others', async () => {
  const server = await startIssuer([
    { kty: 'oct', kid: 'first', k: 'YQ' },
    { kty: 'EC', kid: 'x', crv: 'P-256' },
    { kty: 'unknown' },
    null as unknown as object,
    first.jwk,
  ])
  const edge = await startEdge({ orders: options(server.url) })
  expect(await statusOf(edge, firstToken)).toBe(200)
  expect(await statusOf(edge, await sign(first, {}, { kid: 'x' }))).toBe(401)
})

test('tokens without an id of a key are tried with each key of their algorithm', async () => {
  const [one, two] = [createKey('ES256'), createKey('ES256')]
  const server = await startIssuer([one.jwk, two.jwk])
  const edge = await startEdge({ orders: options(server.url) })
  for (const key of [one, two]) expect(await statusOf(edge, await sign(key))).toBe(200)
  expect(await statusOf(edge, await sign(first, {}, { kid: undefined }))).toBe(401)
  // Its id can't be compared with that of a key without one.
  expect(await statusOf(edge, await sign(two, {}, { kid: 'any' }))).toBe(200)
})

test('keys are fetched from a service by its name', async () => {
  const server = await startIssuer([first.jwk])
  const edge = await startEdge({ orders: options('service://issuer/keys?v=1') }, { issuerPort: server.port })
  expect(await statusOf(edge, firstToken)).toBe(200)
  expect(server.requests).toEqual(['/keys?v=1'])
})

test('keys are read from a file that may change, in PEM or as a set', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sd-auth-jwt-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const jwksFile = join(folder, 'keys')
  const pemOf = (key: typeof first) => key.publicKey.export({ type: 'spki', format: 'pem' }) as string
  await writeFile(jwksFile, `# keys\n${pemOf(first)}${pemOf(createKey('RS256'))}`)
  const edge = await startEdge({ orders: { issuer, audience, jwksFile, jwks: { cacheMs: 100, cooldownMs: 100 } } })
  expect(await statusOf(edge, firstToken)).toBe(200)
  expect(await statusOf(edge, secondToken)).toBe(401)
  await writeFile(jwksFile, JSON.stringify({ keys: [second.jwk] }))
  await eventually(async () => expect(await statusOf(edge, secondToken)).toBe(200), 20_000)
  expect(await statusOf(edge, firstToken)).toBe(401)
  await writeFile(jwksFile, 'nothing')
  await eventually(async () => expect(await statusOf(edge, firstToken)).toBe(503), 20_000)
  expect(await statusOf(edge, secondToken)).toBe(200)
})

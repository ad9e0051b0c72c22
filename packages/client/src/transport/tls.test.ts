import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { type CertificateSet, createCertificates } from '@sd/test-servers'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createHttp1Transport, type ServiceClientOptions } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let certificates: CertificateSet
let others: CertificateSet
beforeAll(async () => {
  certificates = await createCertificates(['orders.internal'])
  others = await createCertificates()
})

let world: World
const closers: (() => void)[] = []
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
  for (const close of closers.splice(0)) close()
})

/** What a server saw of a connection: the name in SNI, and the fingerprint of the client's certificate. */
interface Seen {
  readonly serverName: string
  readonly fingerprint: string | undefined
}

/** Servers of both protocols that close each connection after one response. */
async function serve(protocol: 'https' | 'wss' | 'h2', metadata: Record<string, string> = {}): Promise<Seen[]> {
  const seen: Seen[] = []
  const { cert, key } = certificates.server
  const options = { cert, key, ca: [certificates.ca, others.ca], requestCert: true, rejectUnauthorized: false }
  const note = (socket: TLSSocket): void => {
    const { fingerprint } = socket.getPeerCertificate() as { fingerprint?: string }
    seen.push({ serverName: String(socket.servername || ''), fingerprint })
  }
  const server =
    protocol === 'h2'
      ? createSecureServer(options).on('session', (session) => session.on('error', () => undefined))
      : createServer({ ...options, keepAlive: true })
  server.on('secureConnection', note)
  server.on(
    'request',
    (request: unknown, response: { setHeader(name: string, value: string): void; end(text: string): void }) => {
      const { stream } = request as { stream?: { session?: { close(): void } } }
      if (protocol !== 'h2') response.setHeader('connection', 'close')
      response.end('secret')
      stream?.session?.close()
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  await world.register((server.address() as AddressInfo).port, { protocol, metadata })
  return seen
}

describe.each([
  ['https', 'undici'],
  ['wss', 'undici'],
  ['h2', 'undici'],
  ['https', 'http1'],
  ['wss', 'http1'],
] as const)('an instance of protocol %s over %s', (protocol, kind) => {
  function createClient({ tls, connectTimeoutMs, ...options }: Partial<ServiceClientOptions> = {}) {
    const own = { ...(tls && { tls }), ...(connectTimeoutMs !== undefined && { connectTimeoutMs }) }
    return world.client({ ...options, ...(kind === 'undici' ? own : { transport: createHttp1Transport(own) }) })
  }

  test('is verified by its address, unless a name is configured', async () => {
    const seen = await serve(protocol)
    const client = createClient({ tls: { ca: certificates.ca } })
    expect(await (await client.get('orders', '/')).text()).toBe('secret')
    client.configureService('orders', { serverName: 'orders.internal' })
    expect(await (await client.get('orders', '/')).text()).toBe('secret')
    expect(seen.map(({ serverName }) => serverName)).toEqual(['', 'orders.internal'])
  })

  test('may name its certificate in its metadata', async () => {
    const seen = await serve(protocol, { 'tls-server-name': 'orders.internal' })
    const client = createClient({ tls: { ca: certificates.ca } })
    expect(await (await client.get('orders', '/')).text()).toBe('secret')
    expect(seen[0]?.serverName).toBe('orders.internal')
  })

  test('with a certificate for another name, or from another authority, receives no request', async () => {
    await serve(protocol)
    const clients = [
      createClient({ tls: { ca: certificates.ca }, services: { orders: { serverName: 'other.internal' } } }),
      createClient({ tls: { ca: others.ca } }),
      createClient(),
    ]
    for (const client of clients)
      await expect(client.post('orders', '/', { json: {} })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', origin: 'network' })
  })

  test("receives the client's new certificate without a restart", async () => {
    const seen = await serve(protocol)
    let current = certificates.client
    const tls = { ca: async () => certificates.ca, cert: () => current.cert, key: () => current.key }
    const client = createClient({ tls })
    await (await client.get('orders', '/')).text()
    await (await client.get('orders', '/')).text()
    current = others.client
    await (await client.get('orders', '/')).text()
    const fingerprints = seen.map(({ fingerprint }) => fingerprint)
    expect(fingerprints[0]).toEqual(expect.any(String))
    expect([fingerprints[1] === fingerprints[0], fingerprints[2] === fingerprints[0]]).toEqual([true, false])
  })

  test('can be called after both the key and its certificate were replaced', async () => {
    await serve(protocol)
    const folder = await mkdtemp(join(tmpdir(), 'sd-tls-'))
    const file = (name: string): string => join(folder, name)
    await writeFile(file('ca'), certificates.ca)
    await writeFile(file('cert'), certificates.client.cert)
    await writeFile(file('key'), others.client.key)
    const client = createClient({
      tls: { ca: { file: file('ca') }, cert: { file: file('cert') }, key: { file: file('key') } },
    })
    const error = await client.get('orders', '/').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', origin: 'local', retryable: false })
    await rm(file('key'))
    await expect(client.get('orders', '/')).rejects.toThrow("tls.key: the file can't be read (ENOENT)")
    await writeFile(file('key'), certificates.client.key)
    expect(await (await client.get('orders', '/')).text()).toBe('secret')
    await rm(folder, { recursive: true })
  })

  test('is not called with an invalid certificate, and the error shows nothing of it', async () => {
    await serve(protocol)
    const client = createClient({ tls: { ca: certificates.ca, cert: () => 'SECRET', key: () => 'SECRET' } })
    const error = await client.get('orders', '/').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_INVALID' })
    expect(String(error)).not.toContain('SECRET')
  })

  test.each<[string, () => Promise<string>]>([
    ['fails', () => Promise.reject(new Error('no such file'))],
    ['never settles', () => new Promise(() => undefined)],
  ])('is not blamed for a certificate function that %s', async (_, cert) => {
    await serve(protocol)
    const client = createClient({ connectTimeoutMs: 50, tls: { ca: certificates.ca, cert, key: () => certificates.client.key } })
    await expect(client.get('orders', '/')).rejects.toMatchObject({ origin: 'local', retryable: false })
    expect(world.discovery.cluster('orders').view.endpoints[0]?.latencyMs).toBe(0)
  })
})

test('errors for invalid options name them', () => {
  const make = (options: object) => () => world.client(options)
  const named = (field: string): object => expect.objectContaining({ code: 'SD_INVALID', field })
  expect(make({ tls: { ca: 'x' } })).toThrow(named('tls.ca'))
  expect(make({ tls: { cert: '-----BEGIN CERTIFICATE-----' } })).toThrow(named('tls'))
  expect(make({ tls: { passphrase: 'x' } })).toThrow(named('tls.passphrase'))
  expect(make({ http2: { maxStreams: 0 } })).toThrow(named('http2.maxStreams'))
  expect(make({ http2: { pings: 1 } })).toThrow(named('http2.pings'))
  expect(make({ services: { orders: { serverName: 5 } } })).toThrow(named('services.orders.serverName'))
})

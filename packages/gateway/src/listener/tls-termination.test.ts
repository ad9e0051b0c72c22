import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { get, type RequestOptions } from 'node:https'
import { connect as connectSocket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { subscribeTelemetry } from '@sd/core'
import { type Certificate, createCertificates } from '@sd/test-servers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startEdge } from '../testing/start-edge.ts'

const shop = await createCertificates(['shop.example', '*.shop.example'])
const other = await createCertificates(['other.example'])
const fields = {
  http1: (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) =>
    void response.end(JSON.stringify(request.headers)),
}

function fingerprintOf({ cert }: Certificate): string {
  return new X509Certificate(cert).fingerprint256
}

/** A connection after its handshake. It rejects if the server refuses it. */
async function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function presented(port: number, servername?: string): Promise<string> {
  const socket = await open(port, servername === undefined ? {} : { servername })
  socket.on('error', () => {})
  return socket.getPeerX509Certificate()?.fingerprint256 ?? ''
}

function request(port: number, options: RequestOptions = {}): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', ca: shop.ca, servername: 'localhost', agent: false, ...options }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve(JSON.parse(body)))
      response.on('error', reject)
    }).on('error', reject)
  })
}

/** Reasons of the connections that were refused during a test. */
function collectRefusals(): string[] {
  const reasons: string[] = []
  onTestFinished(subscribeTelemetry('sd:v1:gateway:refused', ({ reason }) => void reasons.push(reason)))
  return reasons
}

test('the server name chooses the certificate; the first one is for other clients', async () => {
  const { port } = await startEdge(fields, { tls: { certificates: [shop.server, other.server] } })
  expect(await presented(port)).toBe(fingerprintOf(shop.server))
  expect(await presented(port, 'unknown.example')).toBe(fingerprintOf(shop.server))
  expect(await presented(port, 'OTHER.example')).toBe(fingerprintOf(other.server))
  expect(await presented(port, 'eu.shop.example')).toBe(fingerprintOf(shop.server))
})

test('names of the table replace those in the certificate, and a wildcard has one label', async () => {
  const certificates = [shop.server, { ...other.server, serverNames: ['*.api.example', 'Api.example'] }]
  const { port } = await startEdge(fields, { tls: { certificates } })
  expect(await presented(port, 'api.example')).toBe(fingerprintOf(other.server))
  expect(await presented(port, 'eu.api.example')).toBe(fingerprintOf(other.server))
  expect(await presented(port, 'a.eu.api.example')).toBe(fingerprintOf(shop.server))
  expect(await presented(port, 'other.example')).toBe(fingerprintOf(shop.server))
})

test('HTTP/2 and HTTP/1.1 are served on one address, as the client offers them', async () => {
  const { port } = await startEdge(fields, { tls: { certificates: [shop.server] } })
  expect(await request(port)).toMatchObject({ via: expect.stringMatching(/^1\.1 sd-gateway-/), 'x-forwarded-proto': 'https' })
  const session = connectHttp2(`https://localhost:${port}`, {
    ca: shop.ca,
    lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  let body = ''
  for await (const chunk of stream) body += chunk
  expect(JSON.parse(body)).toMatchObject({ via: expect.stringMatching(/^2 sd-gateway-/), 'x-forwarded-proto': 'https' })
})

test('a client that offers no accepted protocol is refused', async () => {
  const reasons = collectRefusals()
  const { port } = await startEdge(fields, { protocols: ['h2'], tls: { certificates: [shop.server] } })
  await expect(open(port, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow()
  await expect(request(port)).rejects.toThrow()
  await vi.waitFor(() => expect(reasons).toEqual(['tls', 'protocol']), 10_000)
})

test('services get the identity of a client certificate, and a forged one is dropped', async () => {
  const tls = { certificates: [shop.server], clientCa: shop.ca }
  const { port } = await startEdge(fields, { tls })
  const got = await request(port, { ...shop.client, headers: { 'x-forwarded-client-cert': 'Hash=forged' } })
  const hash = fingerprintOf(shop.client).replaceAll(':', '').toLowerCase()
  expect(got['x-forwarded-client-cert']).toBe(`Hash=${hash};Subject="CN=tester"`)
  await expect(request(port)).rejects.toThrow()
  await expect(request(port, other.client)).rejects.toThrow()
})

test('a client certificate can be optional, but not wrong', async () => {
  const tls = { certificates: [shop.server], clientCa: shop.ca, clientCertificateRequired: false }
  const { port } = await startEdge(fields, { tls })
  expect(await request(port)).not.toHaveProperty('x-forwarded-client-cert')
  expect(await request(port, shop.client)).toHaveProperty('x-forwarded-client-cert')
  await expect(request(port, other.client)).rejects.toThrow()
})

test('a certificate that changes is used by the next connections, and the open ones stay', async () => {
  let current = shop.server
  const certificate = { cert: () => current.cert, key: () => current.key }
  const { port } = await startEdge(fields, { tls: { certificates: [certificate] } })
  const kept = await open(port)
  current = other.server
  await vi.waitFor(async () => expect(await presented(port)).toBe(fingerprintOf(other.server)), {
    timeout: 10_000,
    interval: 200,
  })
  kept.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  expect(String((await once(kept, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /)
})

test('a certificate that turns invalid is reported once, and the last valid one stays in effect', async () => {
  let key = shop.server.key
  const errors: string[] = []
  onTestFinished(subscribeTelemetry('sd:v1:gateway:reload', ({ error }) => void (error && errors.push(error.message))))
  const { port } = await startEdge(fields, { tls: { certificates: [{ cert: shop.server.cert, key: () => key }] } })
  key = other.server.key
  await vi.waitFor(
    async () => {
      expect(await presented(port)).toBe(fingerprintOf(shop.server))
      expect(errors).toHaveLength(1)
    },
    { timeout: 10_000, interval: 200 },
  )
  expect(errors[0]).toContain('Listener edge: tls.certificates[0]')
})

test.each([
  ['a missing file', { cert: shop.server.cert, key: { file: '/missing/key.pem' } }, 'SD_UNAVAILABLE', 'tls.certificates[0].key'],
  ['a key of another certificate', { cert: shop.server.cert, key: other.server.key }, 'SD_INVALID', 'tls.certificates[0]'],
  ['a function that returns no PEM', { cert: () => 'secret', key: shop.server.key }, 'SD_INVALID', 'tls.certificates[0].cert'],
])('%s fails the start with the path and without key material', async (_name, certificate, code, field) => {
  const error = await startEdge(fields, { tls: { certificates: [certificate] } }).catch((thrown) => thrown)
  expect(error).toMatchObject({ code, message: expect.stringContaining(field) })
  expect(error.message).not.toMatch(/secret|MII|PRIVATE/)
})

test('older versions than the minimum are refused', async () => {
  const { port } = await startEdge(fields, { tls: { certificates: [shop.server], minVersion: 'TLSv1.3' } })
  await expect(open(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow()
  expect((await open(port)).getProtocol()).toBe('TLSv1.3')
})

test('a handshake that is not one, or takes too long, is counted and harms no other client', async () => {
  const reasons = collectRefusals()
  const { port } = await startEdge(fields, { tls: { certificates: [shop.server] }, timeouts: { handshakeMs: 1_000 } })
  const silent = connectSocket(port, '127.0.0.1')
  const clear = connectSocket(port, '127.0.0.1')
  const reset = connectSocket(port, '127.0.0.1')
  for (const socket of [silent, clear, reset]) socket.on('error', () => {})
  clear.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  reset.write(Buffer.from([22, 3, 1]), () => reset.resetAndDestroy())
  await Promise.all([once(silent, 'close'), once(clear, 'close')])
  await vi.waitFor(() => expect(reasons).toEqual(['tls', 'tls', 'tls']), 10_000)
  expect(await request(port)).toHaveProperty('host')
})

import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { type CertificateSet, createCertificates, createRotation } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { createHttpCheck, type HealthTarget, type HttpCheckOptions } from './index.ts'
import { listen, neverAborted } from './testing/targets.ts'

async function serve(listener: RequestListener) {
  const sockets: Socket[] = []
  const server = createServer(listener).on('connection', (socket) => void sockets.push(socket))
  const target = await listen(server)
  return { target, allClosed: () => eventually(() => expect(sockets.every(({ closed }) => closed)).toBe(true), 5_000) }
}

function run(target: HealthTarget, options: HttpCheckOptions = {}, signal: AbortSignal = neverAborted): Promise<unknown> {
  return createHttpCheck(options).run(target, { signal })
}

describe('the request', () => {
  test('is a GET of / with our user agent, on a connection that is closed again', async () => {
    const seen: unknown[] = []
    const { target, allClosed } = await serve(({ method, url, headers }, response) => {
      seen.push(method, url, headers['user-agent'], headers.host)
      response.end('ok')
    })
    await run(target)
    expect(seen).toEqual(['GET', '/', '@sd/health', `127.0.0.1:${target.port}`])
    await allClosed()
  })

  test('follows the options', async () => {
    const seen: unknown[] = []
    const { target } = await serve(({ method, url, headers }, response) => {
      seen.push(method, url, headers['user-agent'], headers.host)
      response.end()
    })
    const headers = { Host: 'orders.example', 'User-Agent': 'probe' }
    await run({ ...target, port: 1 }, { method: 'HEAD', path: '/health?full=1', headers, port: target.port })
    expect(seen).toEqual(['HEAD', '/health?full=1', 'probe', 'orders.example'])
  })
})

describe('the status', () => {
  test.each<[number, HttpCheckOptions['expectedStatuses'], boolean]>([
    [200, undefined, true],
    [204, undefined, true],
    [302, undefined, false],
    [503, undefined, false],
    [302, ['2xx', '3xx'], true],
    [401, [200, 401], true],
    [201, [200], false],
  ])('%d with %j as expected: %s', async (status, expectedStatuses, ok) => {
    const { target } = await serve((_, response) => void response.writeHead(status).end('body'))
    const running = run(target, { ...(expectedStatuses && { expectedStatuses }) })
    if (ok) await running
    else
      await expect(running).rejects.toMatchObject({
        code: 'SD_UNAVAILABLE',
        message: expect.stringContaining(`returned ${status}, want`),
      })
  })
})

describe('the body', () => {
  test('must contain a text or match an expression, in each run', async () => {
    const { target } = await serve((_, response) => void response.end('{"status":"UP"}'))
    await run(target, { expectedBody: '"UP"' })
    const check = createHttpCheck({ expectedBody: /status.+up/gi })
    await check.run(target, { signal: neverAborted })
    await check.run(target, { signal: neverAborted })
    await expect(run(target, { expectedBody: 'DOWN' })).rejects.toThrow(
      'GET / returned 200, but the body does not match expectedBody',
    )
  })

  test('is ignored beyond its limit, and its connection is closed', async () => {
    const { target, allClosed } = await serve((_, response) => {
      response.on('error', () => undefined)
      response.write('a'.repeat(100))
      setTimeout(() => response.write('b'), 50)
    })
    await run(target, { maxBodyBytes: 10 })
    await expect(run(target, { maxBodyBytes: 10, expectedBody: 'b' })).rejects.toThrow('body')
    await allClosed()
  })
})

describe('the signal closes the connection', () => {
  test.each<[string, RequestListener]>([
    ['of a server that hangs', () => undefined],
    ['of a body that never ends', (_, response) => void response.write('a')],
  ])('%s', async (_, listener) => {
    const { target, allClosed } = await serve(listener)
    await expect(run(target, {}, AbortSignal.timeout(200))).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await allClosed()
  })
})

test('a truncated response or an unreachable server fails with the reason', async () => {
  const { target } = await serve((_, response) => {
    response.write('a', () => response.destroy())
  })
  await expect(run(target)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: 'GET /: aborted' })
  await expect(run({ ...target, port: 1 })).rejects.toThrow('ECONNREFUSED')
})

describe('TLS', () => {
  let certificates: CertificateSet
  beforeAll(async () => {
    certificates = await createCertificates()
  })

  async function serveTls(options: { readonly requestCert?: boolean } = {}) {
    const { ca, server } = certificates
    return listen(
      createHttpsServer(
        { ...server, ca, ...options, rejectUnauthorized: options.requestCert ?? false },
        (_, response) => void response.end('ok'),
      ),
      'https',
    )
  }

  test('is used by protocol, and the certificate must be trusted by default', async () => {
    const target = await serveTls()
    await expect(run(target)).rejects.toThrow(/certificate|verify/)
    await run(target, { tls: { ca: certificates.ca } })
    await run(target, { tls: { rejectUnauthorized: false } })
    await run({ ...target, protocol: 'http' }, { tls: { ca: certificates.ca } })
    await expect(run(target, { tls: false })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('requires the name in the certificate', async () => {
    const target = await serveTls()
    const { ca } = certificates
    await run(target, { tls: { ca, servername: 'localhost' } })
    await expect(run(target, { tls: { ca, servername: 'orders.example' } })).rejects.toThrow('orders.example')
  })

  test('presents a client certificate', async () => {
    const target = await serveTls({ requestCert: true })
    const { ca, client } = certificates
    await run(target, { tls: { ca, ...client } })
    await expect(run(target, { tls: { ca } })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('reads functions and files again', async () => {
    const target = await serveTls({ requestCert: true })
    await using rotation = await createRotation()
    let current = rotation.certificates.ca
    const { cert, key } = certificates.client
    const check = createHttpCheck({ tls: { ca: () => current, cert: Buffer.from(cert), key } })
    const signal = AbortSignal.timeout(20_000)
    await expect(check.run(target, { signal })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    current = certificates.ca
    await vi.waitFor(() => check.run(target, { signal }), { timeout: 10_000, interval: 200 })
    const mixed = createHttpCheck({ tls: { ca: () => current, cert, key: rotation.tls.key } })
    await expect(mixed.run(target, { signal })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'tls', origin: 'local' })
    const missing = createHttpCheck({ tls: { ca: { file: '/does/not/exist.pem' } } })
    await expect(missing.run(target, { signal })).rejects.toThrow('tls.ca: the file')
  })
})

test.each([
  ['path', { path: 'health' }],
  ['path', { path: '/a b' }],
  ['method', { method: 'get' }],
  ['headers.a b', { headers: { 'a b': '1' } }],
  ['headers.a', { headers: { a: '1\n2' } }],
  ['expectedStatuses', { expectedStatuses: [] }],
  ['expectedStatuses[1]', { expectedStatuses: [200, 2] }],
  ['expectedStatuses[0]', { expectedStatuses: ['2x' as never] }],
  ['expectedBody', { expectedBody: 1 as never }],
  ['maxBodyBytes', { maxBodyBytes: -1 }],
  ['port', { port: 70_000 }],
  ['tls', { tls: { cert: 'no PEM' } }],
  ['tls.key', { tls: { key: 5 as never } }],
  ['tls.verify', { tls: { verify: true } as never }],
  ['url', { url: '/' } as never],
])('a bad %s is refused', (field, options) => {
  expect(() => createHttpCheck(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

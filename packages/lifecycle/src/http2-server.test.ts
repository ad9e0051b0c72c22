import { once } from 'node:events'
import { type ClientHttp2Session, connect, constants, createServer } from 'node:http2'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, createUndiciTransport } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { type CertificateSet, createCertificates, startConstantLoad } from '@sd/test-servers'
import { Agent } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import { createLifecycle, type Lifecycle, type LifecycleOptions, type LifecycleServer } from './index.ts'
import { startHttp2Server, startSecureServer } from './testing/echo-servers.ts'

let certificates: CertificateSet
beforeAll(async () => {
  certificates = await createCertificates()
})

async function startLifecycle(server: LifecycleServer, options: Partial<LifecycleOptions> = {}): Promise<Lifecycle> {
  const lifecycle = createLifecycle({
    registrar: createMemoryRegistry(),
    server,
    instance: { service: 'orders', address: '127.0.0.1' },
    propagationDelayMs: 0,
    signals: [],
    onError: () => undefined,
    ...options,
  })
  await lifecycle.start()
  return lifecycle
}

/** Resolves with `ended` and the body, or with `failed`. */
async function get(session: ClientHttp2Session, path: string): Promise<string> {
  let body = ''
  try {
    const stream = session.request({ ':path': path })
    for await (const chunk of stream) body += chunk
    return stream.rstCode === constants.NGHTTP2_NO_ERROR ? `ended${body}` : 'failed'
  } catch {
    return 'failed'
  }
}

describe('HTTP/2 without TLS', () => {
  test('keeps serving until callers know; then lets streams end, and accepts neither new ones nor connections', async () => {
    const { server, port } = await startHttp2Server()
    const lifecycle = await startLifecycle(server, { propagationDelayMs: 1_000 })
    expect(lifecycle.registration?.instance.port).toBe(port)
    const session = connect(`http://127.0.0.1:${port}`)
    const goaways: unknown[] = []
    session.on('goaway', (code, lastStream) => goaways.push([code, lastStream]))
    expect(await get(session, '/')).toBe('ended')
    const slow = get(session, '/3000')
    const closing = lifecycle.close()
    expect(await get(session, '/')).toBe('ended')
    expect(goaways).toEqual([])
    await once(session, 'goaway')
    expect(await get(session, '/')).toBe('failed')
    const late = connect(`http://127.0.0.1:${port}`)
    const [refusal] = await once(late, 'error')
    expect(refusal).toMatchObject({ code: 'ECONNREFUSED' })
    expect(await slow).toBe('ended')
    expect(await closing).toEqual({ drained: true, errors: [] })
    // Node sends another GOAWAY when it ends the session. The last stream is that of the third request, not of those after
    // GOAWAY.
    expect(goaways).toEqual(goaways.map(() => [constants.NGHTTP2_NO_ERROR, 5]))
  })

  test('cuts off streams at the timeout', async () => {
    const { server, port } = await startHttp2Server()
    const lifecycle = await startLifecycle(server, { drainTimeoutMs: 100 })
    const session = connect(`http://127.0.0.1:${port}`)
    session.on('error', () => undefined)
    const hanging = get(session, '/60000')
    await once(session, 'remoteSettings')
    const closed = once(session, 'close')
    const report = await lifecycle.close()
    expect(report).toMatchObject({ drained: false, cut: { requests: 1, upgraded: 0, connections: 0 } })
    expect(report.errors).toMatchObject([{ code: 'SD_TIMEOUT' }])
    expect(await hanging).toBe('failed')
    await closed
  })

  test('a server with only stream listeners gets no request listener', async () => {
    const server = createServer()
    server.on('stream', (stream) => void setTimeout(() => stream.respond({}, { endStream: true }), 200))
    server.listen(0, '127.0.0.1')
    const lifecycle = await startLifecycle(server)
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const answer = get(session, '/')
    await once(session, 'remoteSettings')
    const closing = lifecycle.close()
    expect(server.listenerCount('request')).toBe(0)
    expect(await answer).toBe('ended')
    expect(await closing).toEqual({ drained: true, errors: [] })
  })
})

describe('HTTP/2 over TLS', () => {
  test('HTTP/1.1 clients are asked to leave, and their idle connections are closed', async () => {
    const { server, port } = await startSecureServer(certificates.server)
    const lifecycle = await startLifecycle(server, { propagationDelayMs: 1_000 })
    const agent = new HttpsAgent({ keepAlive: true, ca: certificates.ca })
    const connection = (path: string): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        const request = httpsRequest({ host: '127.0.0.1', port, path, agent }, (response) => {
          response.resume().once('end', () => resolve(response.headers.connection))
        })
        request.once('error', reject).end()
      })
    expect(await connection('/')).toBe('keep-alive')
    const closing = lifecycle.close()
    expect(await connection('/')).toBe('close')
    expect(await closing).toEqual({ drained: true, errors: [] })
    agent.destroy()
  })

  test('callers that learn of the shutdown only by GOAWAY lose no repeatable request', async () => {
    // These callers use another registry, in which nothing changes.
    const registry = createMemoryRegistry()
    const discovery = createDiscovery({ source: registry })
    const lifecycles: Lifecycle[] = []
    for (let started = 0; started < 3; started++) {
      const { server, port } = await startSecureServer(certificates.server)
      await registry.register({ service: 'orders', address: '127.0.0.1', protocol: 'https', port })
      lifecycles.push(await startLifecycle(server))
    }
    const dispatcher = new Agent({ allowH2: true, connect: { ca: certificates.ca } })
    const transport = createUndiciTransport({ dispatcher })
    // A third of the calls begins with the instance that left. The budget is not meant for that many.
    const retryBudget = { ratio: 1, minPerSecond: 1_000 }
    const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport, retryBudget })
    const load = startConstantLoad(300, async () => (await client.get('orders', '/')).text())
    await delay(300)
    expect(await lifecycles[0]?.close()).toEqual({ drained: true, errors: [] })
    await delay(300)
    await load.stop()
    expect(load.failures).toEqual([])
    await Promise.all(lifecycles.map((lifecycle) => lifecycle.close()))
    await Promise.all([client.close(), dispatcher.close(), discovery.close(), registry.close()])
  })
})

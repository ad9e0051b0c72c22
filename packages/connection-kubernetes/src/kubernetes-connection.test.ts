import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createKubernetesConnection, type KubernetesConnection } from './kubernetes-connection.ts'
import { resolveKubernetesConnectionOptions } from './options.ts'

const signal = AbortSignal.timeout(60_000)
const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

/** A connection to a server without TLS, such as `kubectl proxy`. */
async function connect(reply: RequestListener, token?: string): Promise<KubernetesConnection> {
  const server = createServer(reply)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const kubeconfig = JSON.stringify({
    'current-context': 'one',
    contexts: [{ name: 'one', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
  })
  const connection = createKubernetesConnection(
    resolveKubernetesConnectionOptions({ kubeconfig, operationTimeoutMs: 1_000, ...(token && { token }) }, 'kubernetes'),
  )
  cleanUps.push(() => {
    connection.close()
    server.closeAllConnections()
    server.close()
  })
  return connection
}

const watchOf = (onEvent: () => void = () => undefined): Parameters<KubernetesConnection['watch']>[0] => ({
  path: '/x',
  query: {},
  onEvent,
  signal,
})

describe('the connection to the API', () => {
  test('sends the request, and reads the response', async () => {
    const connection = await connect((request, response) => {
      const { method, url, headers } = request
      request.setEncoding('utf8').on('data', (body) => response.end(JSON.stringify({ method, url, headers, body })))
    }, 'the-token')
    const reply = await connection.request({ method: 'PATCH', path: '/x', query: { a: 'b c' }, body: { d: 1 }, signal })
    expect(reply.body).toMatchObject({
      method: 'PATCH',
      url: '/x?a=b+c',
      headers: { authorization: 'Bearer the-token', 'content-type': 'application/merge-patch+json' },
      body: '{"d":1}',
    })
    expect(Math.abs((reply.serverTime ?? 0) - Date.now())).toBeLessThan(60_000)
  })

  test('treats a malformed response as an error', async () => {
    const connection = await connect((_, response) => response.end('<html>'))
    await expect(connection.request({ method: 'GET', path: '/x', signal })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test.each([
    [true, { code: 'SD_UNAVAILABLE', retryable: true, message: expect.stringContaining('a quota or an admission policy') }],
    [false, { code: 'SD_DENIED', retryable: false }],
  ])('a write that is refused although it is allowed (%s) is retryable', async (allowed, expected) => {
    const reviews: unknown[] = []
    const connection = await connect((request, response) => {
      if (request.url === '/readyz') return void response.end('ok')
      if (!request.url?.includes('selfsubjectaccessreviews')) {
        return void response.writeHead(403).end(JSON.stringify({ message: 'endpointslices is forbidden: exceeded quota: small' }))
      }
      request.setEncoding('utf8').on('data', (body) => {
        reviews.push(JSON.parse(body).spec.resourceAttributes)
        response.end(JSON.stringify({ status: { allowed } }))
      })
    })
    const path = '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices'
    await expect(connection.request({ method: 'POST', path, body: {}, signal })).rejects.toMatchObject(expected)
    expect(reviews).toEqual([{ namespace: 'shop', verb: 'create', group: 'discovery.k8s.io', resource: 'endpointslices' }])
    await expect(connection.request({ method: 'GET', path, signal })).rejects.toMatchObject({ code: 'SD_DENIED' })
    expect(reviews).toHaveLength(1)
  })

  test('tries a refused login once more', async () => {
    const requests: string[] = []
    const connection = await connect((request, response) => {
      requests.push(`${request.url} ${request.headers.authorization}`)
      response.writeHead(requests.length === 1 ? 401 : 200).end('{}')
    }, 'the-token')
    await connection.request({ method: 'GET', path: '/x', signal })
    expect(requests).toEqual(['/x Bearer the-token', '/readyz undefined', '/x Bearer the-token'])
    const refused = await connect((_, response) => response.writeHead(401).end('{}'))
    for (const attempt of [refused.request({ method: 'GET', path: '/x', signal }), refused.watch(watchOf())]) {
      await expect(attempt).rejects.toMatchObject({ code: 'SD_DENIED', message: expect.stringContaining('refused') })
    }
  })

  test.each([500, 403, 404])('does not treat a refusal by a server with the readiness %i as final', async (status) => {
    const connection = await connect((request, response) =>
      response.writeHead(request.url === '/readyz' ? status : 403).end('{}'),
    )
    for (const attempt of [connection.request({ method: 'GET', path: '/x', signal }), connection.watch(watchOf())]) {
      await expect(attempt).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining('ready') })
    }
  })

  test('treats a refusal by a server with unknown readiness as final if it lasts, or others are accepted', async () => {
    const connection = await connect((request, response) => response.writeHead(request.url === '/allowed' ? 200 : 403).end('{}'))
    const ask = (path: string): Promise<unknown> =>
      connection.request({ method: 'GET', path, signal }).catch((error: unknown) => error)
    const later = (ms: number): unknown => clock.mockImplementation(() => now + ms)
    const now = performance.now()
    const clock = vi.spyOn(performance, 'now')
    expect(await ask('/x')).toMatchObject({ code: 'SD_UNAVAILABLE' })
    later(20_000)
    expect(await ask('/x')).toMatchObject({ code: 'SD_UNAVAILABLE' })
    later(40_000)
    expect(await ask('/x')).toMatchObject({ code: 'SD_DENIED' })
    later(100_000)
    expect(await ask('/x')).toMatchObject({ code: 'SD_UNAVAILABLE' })
    later(101_000)
    await ask('/allowed')
    expect(await ask('/x')).toMatchObject({ code: 'SD_DENIED' })
    clock.mockRestore()
  })

  test('does not treat it as final after the connection was lost, regardless of earlier responses', async () => {
    let isStarting = false
    const connection = await connect((request, response) => {
      if (request.url?.startsWith('/lost')) response.destroy()
      else response.writeHead(isStarting || request.url === '/readyz' ? 403 : 200).end('{}')
    })
    const ask = (path: string): Promise<unknown> =>
      connection.request({ method: 'GET', path, signal }).catch((error: unknown) => error)
    await ask('/x')
    isStarting = true
    expect(await ask('/x')).toMatchObject({ code: 'SD_DENIED' })
    isStarting = false
    await ask('/x')
    await ask('/lost')
    isStarting = true
    expect(await ask('/x')).toMatchObject({ code: 'SD_UNAVAILABLE' })
    isStarting = false
    await connection.watch(watchOf())
    isStarting = true
    expect(await ask('/x')).toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('has at most 16 concurrent requests', async () => {
    let [received, most] = [0, 0]
    const held: { end(text: string): unknown }[] = []
    // Responses wait until there are 16, and a little longer: a 17th request would have the time to arrive.
    const release = (): void => {
      for (const response of held.splice(0)) response.end('{}')
    }
    const connection = await connect((_, response) => {
      most = Math.max(most, held.push(response))
      received++
      if (held.length === 16 || received > 48) setTimeout(release, 20)
    })
    await Promise.all(Array.from({ length: 60 }, () => connection.request({ method: 'GET', path: '/x', signal })))
    expect(most).toBe(16)
  })

  test('waits neither for a watch that does not start nor for a silent one', async () => {
    const mute = await connect(() => undefined)
    await expect(mute.watch(watchOf())).rejects.toMatchObject({ code: 'SD_TIMEOUT', retryable: true })
    const silent = await connect((_, response) => response.flushHeaders())
    await silent.watch(watchOf())
  })

  test('distinguishes how a watch fails', async () => {
    const gone = await connect((_, response) => response.writeHead(410).end())
    await expect(gone.watch(watchOf())).rejects.toMatchObject({ code: 'X_KUBERNETES_EXPIRED' })
    const busy = await connect((_, response) => response.writeHead(503).end())
    await expect(busy.watch(watchOf())).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    const eventful = await connect((_, response) => response.write('{"type":"ADDED","object":{}}\n'))
    const failing = watchOf(() => {
      throw new Error('no')
    })
    await expect(eventful.watch(failing)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    const torn = await connect((_, response) => {
      response.write('{"type":"ADDED","object":{}}\n{"type":"ADD')
      setTimeout(() => response.destroy(), 20)
    })
    let events = 0
    await torn.watch(watchOf(() => void events++))
    expect(events).toBe(1)
  })

  test('does nothing once it is closed', async () => {
    const connection = await connect((_, response) => response.end('{}'))
    connection.close()
    await expect(connection.request({ method: 'GET', path: '/x', signal })).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await expect(connection.watch(watchOf())).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })
})

test('Bun gets an error that it is not supported', () => {
  vi.stubGlobal('Bun', {})
  const settings = resolveKubernetesConnectionOptions({}, 'k8s')
  expect(() => createKubernetesConnection(settings)).toThrow(
    expect.objectContaining({ code: 'SD_UNSUPPORTED', message: expect.stringContaining('k8s needs Node') }),
  )
  vi.unstubAllGlobals()
})

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { expect, onTestFinished, test } from 'vitest'
import { createCacheInterceptor, createHttpCache, type HttpCacheOptions } from './index.ts'

/** Starts a service, and a client with a cache. */
async function start(
  respond: RequestListener,
  options: HttpCacheOptions = {},
): Promise<{ client: ServiceClient; stop: () => Promise<unknown> }> {
  const server = createServer(respond)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port }] })
  const discovery = createDiscovery({ source })
  const cache = createHttpCache(options)
  const interceptors = { call: [createCacheInterceptor(cache)] }
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), interceptors })
  const stop = (): Promise<unknown> => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  onTestFinished(async () => {
    await Promise.all([client.close(), discovery.close(), source.close(), cache.close()])
    if (server.listening) await stop()
  })
  return { client, stop }
}

test('calls of a client are answered from the cache, also after validation', async () => {
  const received: (string | undefined)[] = []
  const { client } = await start((request, response) => {
    received.push(request.headers['if-none-match'])
    const status = request.headers['if-none-match'] === '"1"' ? 304 : 200
    response.writeHead(status, { etag: '"1"', 'cache-control': request.url === '/fresh' ? 'max-age=60' : 'no-cache' })
    response.end(status === 200 ? 'an order' : undefined)
  })
  for (const path of ['/fresh', '/fresh', '/stale', '/stale']) {
    const response = await client.get('orders', path)
    expect([response.status, await response.text()]).toEqual([200, 'an order'])
  }
  expect(received).toEqual([undefined, undefined, '"1"'])
  const fetched = await client.fetch('http://orders/fresh')
  expect(await fetched.text()).toBe('an order')
  expect(fetched.headers.get('cache-status')).toContain('http-cache; hit; ttl=')
  const head = await client.request('orders', '/fresh', { method: 'HEAD' })
  expect([head.headers['content-length'], await head.text()]).toEqual(['8', ''])
})

test('a body that the caller does not read to its end is not stored', async () => {
  let requests = 0
  const { client } = await start((_, response) => {
    requests++
    response.writeHead(200, { 'cache-control': 'max-age=60' }).write('begin')
    if (requests > 1) response.end(' end')
  })
  const first = await client.get('orders', '/')
  first.cancel()
  const second = await client.get('orders', '/')
  expect([await second.text(), requests]).toEqual(['begin end', 2])
})

test('a stale response stands in for a service that is unreachable', async () => {
  const { client, stop } = await start((_, response) =>
    response.writeHead(200, { 'cache-control': 'max-age=0', etag: '"1"' }).end('old'),
  )
  await (await client.get('orders', '/')).text()
  await stop()
  const response = await client.get('orders', '/')
  expect(await response.text()).toBe('old')
  expect(response.headers['cache-status']).toContain('detail=error')
  await expect(client.post('orders', '/')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
})

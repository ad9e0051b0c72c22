import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { expect, onTestFinished, test } from 'vitest'
import { createGateway } from './gateway.ts'

async function startGateway() {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    response.writeHead(request.url === '/orders/404' ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const source = createStaticRegistry({ instances: [{ service: 'orders', address: '127.0.0.1', port }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const gateway = await createGateway({
    client,
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0' }],
      routes: [
        { name: 'orders', match: { path: '/orders/*' }, forward: { service: 'orders' } },
        { name: 'nobody', match: { path: '/nobody' }, forward: { service: 'nobody' } },
        { name: 'old', match: { path: '/old' }, redirect: { path: '/orders' } },
        { name: 'robots', match: { path: '/robots.txt' }, respond: { status: 200, body: 'User-agent: *\n' } },
      ],
    },
  })
  onTestFinished(async () => {
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
    server.close().closeAllConnections()
  })
  return `http://127.0.0.1:${gateway.addresses[0]?.port}`
}

test('a request is forwarded with its method, path, fields and body', async () => {
  const url = await startGateway()
  const response = await fetch(`${url}/orders/1?full=1`, { method: 'POST', headers: { 'x-user': 'ada' }, body: 'three pears' })
  expect(response.status).toBe(200)
  const { headers, ...rest } = (await response.json()) as { headers: Record<string, string> }
  expect(rest).toEqual({ method: 'POST', url: '/orders/1?full=1', body: 'three pears' })
  expect(headers).toMatchObject({
    host: url.slice('http://'.length),
    'x-user': 'ada',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    via: expect.stringMatching(/^1\.1 sd-gateway-[\da-f]{8}$/),
    'x-request-id': expect.stringMatching(/^[\da-f]{32}$/),
  })
})

test.each([
  ['/orders/404', 404, null],
  ['/elsewhere', 404, 'SD_NOT_FOUND'],
  ['/nobody', 503, 'SD_NO_INSTANCE'],
  ['/robots.txt', 200, null],
  ['/old?a=1', 308, null],
])('GET %s has status %i', async (path, status, code) => {
  const url = await startGateway()
  const response = await fetch(`${url}${path}`, { redirect: 'manual' })
  expect(response.status).toBe(status)
  expect(response.headers.get('x-gateway-error')).toBe(code)
  if (status === 308) expect(response.headers.get('location')).toBe(`${url}/orders?a=1`)
})

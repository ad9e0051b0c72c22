import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ProcessSnapshot, serveAdmin } from '@sd/admin'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { expect, test } from 'vitest'
import { createFleet } from './index.ts'

const token = 'a-token-of-the-tests'

test('a process with the endpoint of @sd/admin: its calls, its view of a service, and what it refuses', async () => {
  await using stack = new AsyncDisposableStack()
  const registry = stack.use(createMemoryRegistry())
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/broken' ? 500 : 200
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(() => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()))
  const { port } = server.address() as AddressInfo
  await registry.register({ service: 'stock', id: 'stock-0', address: '127.0.0.1', port })
  const admin = stack.use(await serveAdmin({ port: 0, authenticate: { token } }))
  const discovery = createDiscovery({ source: registry })
  stack.defer(() => discovery.close())
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  stack.defer(() => client.close())
  const shop = {
    service: 'shop',
    id: 'shop-0',
    address: '127.0.0.1',
    port: 1,
    ports: { 'sd-admin': admin.port },
    needs: ['stock'],
  }
  await registry.register(shop)

  for (let count = 0; count < 20; count++) await (await client.get('stock', count < 2 ? '/broken' : '/')).text()
  const fleet = stack.use(createFleet({ source: registry, token, requestTimeoutMs: 10_000 }))
  const { processes, edges, services } = await fleet.refresh()
  expect(processes.map(({ name, state, lastError }) => [name, state, lastError])).toEqual([['shop-0', 'answers', undefined]])
  expect(edges).toMatchObject([{ from: 'shop', to: 'stock', kind: 'both', traffic: { total: 20, failedShare: 0.1 } }])
  expect(services.find(({ service }) => service === 'stock')?.instances).toMatchObject([
    { instanceId: 'stock-0', traffic: { total: 20 } },
  ])

  // Nothing that the endpoint answers is dropped.
  const raw = (await fleet.ask('shop-0', '/snapshot')) as ProcessSnapshot
  const [process] = processes
  expect(process?.states.map(({ kind }) => kind)).toEqual(raw.states.map(({ kind }) => kind))
  expect([process?.packages, process?.controls, process?.node]).toEqual([raw.info.packages, raw.info.controls, raw.info.node])

  const finding = await fleet.explain('stock', { from: 'shop' })
  expect(finding.instances.map(({ text }) => text)).toEqual(['gets traffic from all 1 caller'])
  expect(finding.callers).toMatchObject([
    { caller: 'shop-0', cluster: { endpoints: [{ instanceId: 'stock-0' }] }, calls: { service: 'stock' } },
  ])
  expect(await fleet.ask('shop-0', '/slow')).toMatchObject({ failed: [{ service: 'stock', path: '/broken', status: 500 }, {}] })
  await expect(fleet.change('shop-0', '/draining', { draining: true, reason: 'test' })).rejects.toMatchObject({
    code: 'SD_UNSUPPORTED',
  })

  const stranger = stack.use(createFleet({ source: registry, token: 'another-token-of-16', onError: () => undefined }))
  expect((await stranger.refresh()).processes).toMatchObject([{ state: 'refuses', lastError: { code: 'SD_DENIED' } }])
  expect(JSON.stringify([fleet.model, stranger.model])).not.toContain(token)
})

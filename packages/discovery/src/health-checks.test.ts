import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { createServiceInstance, type Endpoint, type HealthCheckSpec, type SdError, subscribeTelemetry } from '@sd/core'
import { createHealthMonitor, createHealthReporter, createHttpCheck } from '@sd/health'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createDeclaredChecks } from './declared-checks.ts'
import { createDiscovery, type DiscoveryOptions } from './index.ts'

/** Starts a server on loopback until the test ends. */
async function listen(server: Server): Promise<{ readonly address: string; readonly port: number }> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

/** Two registered servers with health endpoints, and a Discovery that checks them. */
async function start(fast: { readonly intervalMs: number; readonly rise: number; readonly fall: number }) {
  const registry = createMemoryRegistry()
  const down = new Set<number>()
  const registrations = []
  for (const index of [0, 1]) {
    const { address, port } = await listen(
      createServer((_, response) => void response.writeHead(down.has(index) ? 503 : 200).end()),
    )
    registrations.push(await registry.register({ service: 'orders', id: `orders-${index}`, address, port }))
  }
  const monitor = createHealthMonitor({ check: createHttpCheck({ path: '/health' }), timeoutMs: 5_000, ...fast })
  const discovery = createDiscovery({ source: registry, monitors: [monitor], coalesceMs: 1 })
  onTestFinished(async () => {
    await discovery.close()
    await registry.close()
  })
  const cluster = discovery.cluster('orders')
  await cluster.ready()
  const ids = (endpoints: readonly Endpoint[]): string[] => endpoints.map(({ instance }) => instance.id).sort()
  return { down, cluster, registrations, ids }
}

const fast = { intervalMs: 20, rise: 1, fall: 2 }

test('a server that fails its check gets no traffic until it is healthy again', async () => {
  const { down, cluster, ids } = await start(fast)
  const ejections: string[] = []
  onTestFinished(
    subscribeTelemetry('sd:v1:endpoint:ejection', ({ monitor, instanceId, ejection }) => {
      ejections.push(`${monitor} ${instanceId} ${ejection?.reason ?? 'restored'}`)
    }),
  )
  expect(ids(cluster.view.endpoints)).toEqual(['orders-0', 'orders-1'])
  down.add(1)
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-0']), 20_000)
  expect(
    cluster
      .explain()
      .endpoints.map(({ endpoint, dropped }) => [endpoint.instance.id, dropped])
      .sort(),
  ).toEqual([
    ['orders-0', undefined],
    ['orders-1', 'ejected'],
  ])
  down.clear()
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-0', 'orders-1']), 20_000)
  expect(ejections).toEqual(['health-http orders-1 http', 'health-http orders-1 restored'])
})

test('a server that reports itself unhealthy gets no traffic either', async () => {
  const { cluster, registrations, ids } = await start({ ...fast, fall: 1_000 })
  const [registration] = registrations
  if (!registration) throw new Error('want a registration')
  let isDown = true
  const database = { name: 'database', run: () => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(undefined)) }
  const reporter = createHealthReporter({ checks: [{ check: database }], registrations: [registration], ...fast })
  onTestFinished(() => reporter.close())
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-1']), 20_000)
  isDown = false
  await eventually(() => expect(ids(cluster.view.endpoints)).toEqual(['orders-0', 'orders-1']), 20_000)
})

describe('declared checks', () => {
  const everySecond = { intervalMs: 1_000, timeoutMs: 1_000 }

  /** An instance that declares a check, and a Discovery without options for it. */
  async function register(healthCheck: HealthCheckSpec, server: Server, options: Partial<DiscoveryOptions> = {}) {
    const registry = createMemoryRegistry()
    const { address, port } = await listen(server)
    const registration = await registry.register({ service: 'orders', id: 'a', address, port, healthCheck })
    // Another instance without a check, so that the first may be out.
    await registry.register({ service: 'orders', id: 'b', address, port: 1 })
    const errors: SdError[] = []
    const discovery = createDiscovery({ source: registry, coalesceMs: 1, onError: (error) => errors.push(error), ...options })
    onTestFinished(async () => {
      await discovery.close()
      await registry.close()
    })
    const cluster = discovery.cluster('orders')
    await cluster.ready()
    const explain = (id: string) => cluster.explain().endpoints.find(({ endpoint }) => endpoint.instance.id === id)
    return { registry, registration, discovery, cluster, explain, errors }
  }

  test('of type http are run by Discovery, and take an instance out and in', async () => {
    const paths: (string | undefined)[] = []
    let status = 200
    const server = createServer(({ url }, response) => {
      paths.push(url)
      response.writeHead(status).end()
    })
    const { explain, registration } = await register({ type: 'http', path: '/ready?full', ...everySecond }, server)
    await eventually(() => expect(explain('a')?.checks).toMatchObject([{ check: 'http', status: 'healthy' }]), 20_000)
    expect(paths).toContain('/ready?full')
    expect(explain('b')).not.toHaveProperty('checks')
    status = 503
    await eventually(() => expect(explain('a')).toMatchObject({ dropped: 'ejected' }), 20_000)
    const [check] = explain('a')?.checks ?? []
    expect(check).toMatchObject({ status: 'unhealthy', error: { code: 'SD_UNAVAILABLE' } })
    // A later failure is another check with the same verdict.
    const verdictAt = check?.since as number
    await eventually(() => expect(explain('a')?.checks?.[0]?.checkedAt).toBeGreaterThan(verdictAt), 20_000)
    expect(explain('a')?.checks?.[0]?.since).toBe(verdictAt)
    // A check that is no longer declared has no effect.
    await registration.update({ healthCheck: null })
    await eventually(() => expect(explain('a')).not.toHaveProperty('dropped'), 20_000)
    expect(explain('a')).not.toHaveProperty('checks')
  })

  test.each<[HealthCheckSpec['type'], () => Server, string]>([
    ['tcp', () => createTcpServer((socket) => socket.end()), 'healthy'],
    ['grpc', () => createHttp2Server((_, response) => void response.writeHead(200, { 'grpc-status': '12' }).end()), 'unhealthy'],
  ])('of type %s are run too', async (type, makeServer, status) => {
    const { explain } = await register({ type, ...everySecond }, makeServer())
    await eventually(() => expect(explain('a')?.checks).toMatchObject([{ check: type, status }]), 20_000)
  })

  test.each<[string, (server: Server) => Promise<Partial<DiscoveryOptions>>]>([
    ['declaredChecks is false', async () => ({ declaredChecks: false })],
    [
      'the backend runs them',
      async () => {
        const inner = createMemoryRegistry()
        onTestFinished(() => inner.close())
        await inner.register({ service: 'orders', id: 'a', address: '127.0.0.1', port: 1, healthCheck: { type: 'tcp' } })
        return { source: Object.assign(Object.create(inner), { capabilities: { ...inner.capabilities, healthChecks: true } }) }
      },
    ],
    [
      'a monitor of the service checks by itself',
      async () => ({ monitors: [{ name: 'own', isActive: true, attach: () => ({ close: () => undefined }) }] }),
    ],
  ])('are not run where %s', async (_, optionsOf) => {
    let connections = 0
    const server = createTcpServer((socket) => {
      connections++
      socket.end()
    })
    const { explain } = await register({ type: 'tcp', ...everySecond }, server, await optionsOf(server))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(connections).toBe(0)
    expect(explain('a')).not.toHaveProperty('checks')
  })

  test('are disabled and enabled by configure', async () => {
    const { discovery, explain } = await register(
      { type: 'tcp', ...everySecond },
      createTcpServer((socket) => socket.end()),
    )
    const isChecked = () => expect(explain('a')?.checks).toMatchObject([{ check: 'tcp', status: 'healthy' }])
    await eventually(isChecked, 20_000)
    discovery.configure({ declaredChecks: false })
    expect(explain('a')).not.toHaveProperty('checks')
    discovery.configure({ coalesceMs: 1 })
    await eventually(isChecked, 20_000)
  })

  test('are not run for a named port', async () => {
    const { registry, discovery } = await register(
      { type: 'tcp', ...everySecond },
      createTcpServer((socket) => socket.end()),
    )
    await registry.register({
      service: 'stock',
      address: '127.0.0.1',
      port: 1,
      ports: { admin: 2 },
      healthCheck: { type: 'tcp' },
    })
    const admin = discovery.cluster('stock:admin')
    await admin.ready()
    expect(admin.view.endpoints[0]?.instance).not.toHaveProperty('healthCheck')
  })

  test('that cannot be run are reported once', async () => {
    const errors: SdError[] = []
    const monitor = createDeclaredChecks(
      (error) => errors.push(error),
      () => Promise.reject(new Error("Cannot find package '@sd/health'")),
    )
    const instance = createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 80, healthCheck: { type: 'tcp' } })
    const cluster = { service: 'orders', endpoints: [{ instance }] as never, eject: vi.fn(), restore: vi.fn() }
    const attached = [monitor.attach(cluster), monitor.attach(cluster)]
    await eventually(() => expect(errors).toHaveLength(1), 20_000)
    expect(errors[0]).toMatchObject({ code: 'SD_UNSUPPORTED', message: expect.stringContaining('npm install @sd/health') })
    for (const one of attached) {
      one.update?.()
      expect(one.explain?.(cluster.endpoints[0])).toBeUndefined()
      one.close()
    }
    expect(errors).toHaveLength(1)
  })
})

import { randomUUID } from 'node:crypto'
import type { Registry, ServiceInstance, ServiceSnapshot } from '@sd/core'
import { type KubernetesServer, obtainServer, startKubernetes } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createKubernetesRegistry, type KubernetesRegistryOptions } from './index.ts'
import { type Cluster, createCluster } from './testing/cluster.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const limitMs = 20_000

describe.runIf(etcd && kubernetes)('Services and Pods', { timeout: 60_000 }, () => {
  let server: KubernetesServer
  let cluster: Cluster
  let open: Registry[] = []
  beforeAll(async () => {
    if (etcd && kubernetes) server = await startKubernetes({ etcd, kubernetes })
    await server.call('POST', '/api/v1/nodes', {
      metadata: { name: 'node-a', labels: { 'topology.kubernetes.io/zone': 'eu-1a', 'topology.kubernetes.io/region': 'eu-1' } },
    })
  }, 180_000)
  afterAll(() => server.close())
  beforeEach(async () => {
    cluster = await createCluster(server)
  })
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()))
    open = []
  })

  function connect(options: KubernetesRegistryOptions = {}): Registry {
    const registry = createKubernetesRegistry({ kubeconfig: server.kubeconfig({ namespace: cluster.namespace }), ...options })
    open.push(registry)
    return registry
  }
  const find = (registry: Registry, service: string, check: (snapshot: ServiceSnapshot) => void): Promise<void> =>
    eventually(async () => check(await registry.getInstances(service)), limitMs)
  const one = ({ instances }: ServiceSnapshot): ServiceInstance => {
    expect(instances).toHaveLength(1)
    return instances[0] as ServiceInstance
  }

  const selector = { app: 'orders' }
  const ports = [
    { name: 'metrics', port: 9_090 },
    { name: 'http', port: 80, targetPort: 8_080 },
    { name: 'grpc', port: 9_000, appProtocol: 'kubernetes.io/h2c' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ]

  test('a namespace that does not exist has no empty lists, and a watch waits for it', async () => {
    const missing = `test-${randomUUID()}`
    const registry = connect({ namespace: missing })
    const error = { code: 'SD_NOT_FOUND', field: 'namespace', retryable: true, message: expect.stringContaining(missing) }
    await expect(registry.getInstances('orders')).rejects.toMatchObject(error)
    await expect(registry.listServices()).rejects.toMatchObject(error)
    await expect(registry.ping()).rejects.toMatchObject(error)
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.untilStale(true)
    expect(probe.seen.at(-1)).not.toHaveProperty('value')
    await server.call('POST', '/api/v1/namespaces', { metadata: { name: missing } })
    await probe.until(({ instances }) => expect(instances).toEqual([]))
    await probe.stop()
  })

  test('Pods are found with all data that Kubernetes has', async () => {
    await cluster.createService('orders', { selector, ports }, { team: 'a', 'app.kubernetes.io/version': '1.2.3' })
    await cluster.createPod('orders-x', { ip: '10.1.0.1', labels: selector })
    await find(connect(), 'orders', (snapshot) => {
      expect(one(snapshot)).toMatchObject({
        id: 'orders-x',
        service: 'orders',
        address: '10.1.0.1',
        port: 8_080,
        protocol: 'http',
        version: '1.2.3',
        weight: 1,
        locality: { zone: 'eu-1a' },
        health: { status: 'healthy' },
        metadata: { team: 'a', 'kubernetes.node': 'node-a' },
      })
    })
  })

  test('named ports of Pods and of registered instances are found together', async () => {
    await cluster.createService('orders', { selector, ports })
    await cluster.createPod('orders-x', { ip: '10.1.0.1', labels: selector })
    const registry = connect()
    await registry.register({ service: 'orders', id: 'vm', address: '10.1.0.9', port: 1, ports: { grpc: 2, admin: 3 } })
    const placesOf = ({ instances }: ServiceSnapshot): readonly unknown[] => instances.map(({ id, port }) => [id, port])
    await find(registry, 'orders:grpc', (snapshot) => {
      expect(placesOf(snapshot)).toEqual([
        ['orders-x', 9_000],
        ['vm', 2],
      ])
    })
    await find(registry, 'orders:admin', (snapshot) => expect(placesOf(snapshot)).toEqual([['vm', 3]]))
    await find(registry, 'orders', ({ instances }) => {
      expect({ ...instances[0]?.ports }).toEqual({ metrics: 9_090, http: 8_080, grpc: 9_000, dns: 53 })
    })
  })

  test('a port is selected by the name of the service, by an option, or is the first one', async () => {
    await cluster.createService('orders', { selector, ports })
    await cluster.createService('plain', { selector, ports: [{ port: 7_000 }] })
    await cluster.createPod('orders-x', { ip: '10.1.0.1', labels: selector })
    const registry = connect()
    const byOption = connect({ portName: 'metrics' })
    await find(registry, 'orders:grpc', (snapshot) => expect(one(snapshot)).toMatchObject({ port: 9_000, protocol: 'h2c' }))
    await find(registry, 'orders:dns', (snapshot) => expect(one(snapshot)).toMatchObject({ port: 53, protocol: 'udp' }))
    await find(registry, 'plain', (snapshot) => expect(one(snapshot)).toMatchObject({ port: 7_000, protocol: 'http' }))
    await find(byOption, 'orders', (snapshot) => expect(one(snapshot).port).toBe(9_090))
    await find(byOption, 'plain', (snapshot) => expect(one(snapshot).port).toBe(7_000))
    expect((await registry.getInstances('orders:nothing')).instances).toEqual([])
    expect(await registry.listServices()).toEqual(['orders', 'plain'])
  })

  test('a watch follows readiness and termination', async () => {
    await cluster.createService('orders', { selector, ports })
    await cluster.createPod('orders-x', { ip: '10.1.0.1', labels: selector, isHeld: true })
    const registry = connect()
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    const status = (wanted: string): Promise<unknown> =>
      probe.until((snapshot) => expect(one(snapshot).health.status).toBe(wanted))
    await status('healthy')
    await cluster.setReady('orders-x', false)
    await status('unhealthy')
    await cluster.setReady('orders-x', true)
    await status('healthy')
    await cluster.deletePod('orders-x')
    await status('draining')
    await cluster.call('PATCH', '/pods/orders-x', { metadata: { finalizers: null } })
    await cluster.call('DELETE', '/pods/orders-x?gracePeriodSeconds=0').catch(() => undefined)
    await probe.until(({ instances }) => expect(instances).toEqual([]))
    await probe.stop()
  })

  test('headless services are found, and an ExternalName has no instances', async () => {
    await cluster.createService('headless', { selector, ports: [{ name: 'http', port: 8_080 }], clusterIP: 'None' })
    await cluster.createService('outside', { type: 'ExternalName', externalName: 'example.org' })
    await cluster.createPod('orders-x', { ip: '10.1.0.1', labels: selector })
    const registry = connect()
    await find(registry, 'headless', (snapshot) => expect(one(snapshot)).toMatchObject({ address: '10.1.0.1', port: 8_080 }))
    expect((await registry.getInstances('outside')).instances).toEqual([])
    expect(await registry.listServices()).toEqual(['headless'])
  })

  test('a dual-stack service has each Pod once, by IPv4', async () => {
    const labels = { 'kubernetes.io/service-name': 'dual' }
    const targetRef = { kind: 'Pod', name: 'pod-1' }
    const port = { name: 'http', port: 80 }
    const six = { addressType: 'IPv6', endpoints: [{ addresses: ['2001:db8::1'], targetRef }], ports: [port] }
    await cluster.createSlice({ metadata: { name: 'six', labels }, ...six })
    const registry = connect()
    expect(one(await registry.getInstances('dual'))).toMatchObject({ id: 'pod-1', address: '2001:db8::1' })
    const four = { addressType: 'IPv4', endpoints: [{ addresses: ['10.1.0.1'], targetRef }], ports: [port] }
    await cluster.createSlice({ metadata: { name: 'four', labels }, ...four })
    expect(one(await registry.getInstances('dual'))).toMatchObject({ id: 'pod-1', address: '10.1.0.1' })
  })

  test('namespaces and label selectors separate instances', async () => {
    const registry = connect({ labels: { team: 'a' }, labelSelector: 'team=a' })
    await registry.register({ service: 'orders', address: '10.0.0.1', port: 80 })
    await connect({ labels: { team: 'b' } }).register({ service: 'orders', address: '10.0.0.2', port: 80 })
    expect(one(await registry.getInstances('orders')).address).toBe('10.0.0.1')
    expect((await connect().getInstances('orders')).instances).toHaveLength(2)
    expect((await connect({ namespace: 'default' }).getInstances('orders')).instances).toEqual([])
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.until((snapshot) => expect(one(snapshot).address).toBe('10.0.0.1'))
    await probe.stop()
  })

  test('a registration is an EndpointSlice that other tools can read', async () => {
    const registry = connect({ portName: 'web' })
    const spec = { service: 'orders', id: 'o-1', port: 80, protocol: 'grpc', locality: { zone: 'eu-1a' } }
    await registry.register({ ...spec, address: '10.0.0.1', health: 'draining' })
    expect(await cluster.slices()).toMatchObject([
      {
        metadata: { labels: { 'kubernetes.io/service-name': 'orders', 'endpointslice.kubernetes.io/managed-by': 'sd' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['10.0.0.1'], zone: 'eu-1a', conditions: { ready: false, serving: true, terminating: true } }],
        ports: [{ name: 'web', port: 80, protocol: 'TCP', appProtocol: 'grpc' }],
      },
    ])
    await registry.register({ ...spec, address: 'Host.Example' })
    expect(await cluster.slices()).toMatchObject([{ addressType: 'FQDN', endpoints: [{ addresses: ['host.example'] }] }])
    expect(one(await registry.getInstances('orders')).address).toBe('Host.Example')
    await registry.register({ ...spec, address: '2001:DB8::1' })
    expect(await cluster.slices()).toMatchObject([{ addressType: 'IPv6', endpoints: [{ addresses: ['2001:db8::1'] }] }])
  })

  test('an instance that Kubernetes does not accept is refused before it is sent', async () => {
    const registry = connect()
    const spec = { service: 'orders', id: 'o-1', port: 80 }
    for (const address of ['127.0.0.1', '::1', '169.254.1.1', 'fe80::1', '0.0.0.0', 'localhost', 'under_score.example']) {
      await expect(registry.register({ ...spec, address })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'address' })
    }
    const metadata = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((key) => [key, 'x'.repeat(60_000)]))
    await expect(registry.register({ ...spec, address: '10.0.0.1', metadata })).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    expect(await cluster.slices()).toEqual([])
  })

  test('the leases of a dead process are deleted by another one', async () => {
    const dead = connect({ ttlMs: 2_000 })
    await dead.register({ service: 'orders', address: '10.0.0.1', port: 80 })
    const before = await cluster.slices()
    await dead.close()
    const lease = before[0]?.metadata.labels?.['sd/lease']
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${cluster.namespace}/leases`
    const held = await server.call('POST', leases, {
      metadata: { name: lease, labels: { 'app.kubernetes.io/managed-by': 'sd' } },
      spec: { leaseDurationSeconds: 2, renewTime: '2026-01-01T00:00:00.000000Z' },
    })
    const owner = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', name: lease, uid: held.metadata.uid }
    const { name, labels, annotations } = before[0]?.metadata ?? {}
    await cluster.createSlice({ ...before[0], metadata: { name, labels, annotations, ownerReferences: [owner] } })

    const alive = connect({ ttlMs: 2_000 })
    await alive.register({ service: 'users', address: '10.0.0.2', port: 80 })
    await eventually(async () => expect((await alive.getInstances('orders')).instances).toEqual([]), limitMs)
    await eventually(async () => expect(await cluster.slices()).toHaveLength(1), limitMs)
    await expect(server.call('GET', `${leases}/${lease}`)).rejects.toThrow('404')
    expect((await alive.getInstances('users')).instances).toHaveLength(1)
  })

  test('one watch and few connections serve many services', async () => {
    const registry = connect()
    const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind.endsWith('SocketWrap')).length
    const before = sockets()
    const services = Array.from({ length: 40 }, (_, index) => `service-${index}`)
    const probes = services.map((service) => probeWatch((options) => registry.watch(service, options), limitMs))
    await Promise.all(probes.map((probe) => probe.until(({ instances }) => expect(instances).toEqual([]))))
    await registry.register({ service: 'service-7', address: '10.0.0.1', port: 80 })
    await probes[7]?.until(({ instances }) => expect(instances).toHaveLength(1))
    expect(probes[8]?.seen).toHaveLength(1)
    expect(sockets() - before).toBeLessThanOrEqual(4)
    await Promise.all(probes.map((probe) => probe.stop()))
  })

  test('a watch continues after silence, without being stale', async () => {
    const registry = connect({ operationTimeoutMs: 1_000 })
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.until(({ instances }) => expect(instances).toEqual([]))
    await new Promise((resolve) => setTimeout(resolve, 4_500))
    await connect().register({ service: 'orders', address: '10.0.0.1', port: 80 })
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    expect(probe.seen.every(({ stale }) => stale === undefined)).toBe(true)
    await probe.stop()
  })
})

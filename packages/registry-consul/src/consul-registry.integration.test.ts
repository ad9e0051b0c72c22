import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from '@sd/core'
import { type ConsulServer, obtainServer, startConsul } from '@sd/test-servers'
import { eventually, plainSpec, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Entry } from './entries.ts'
import { type ConsulRegistryOptions, createConsulRegistry } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const limitMs = 20_000

describe.runIf(consul)('registry-consul', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let prefix: string
  const opened: Registry[] = []
  beforeAll(async () => {
    if (consul) server = await startConsul(consul)
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((registry) => registry.close()))
  })
  afterAll(() => server.close())

  function open(options: ConsulRegistryOptions = {}): Registry {
    prefix = options.prefix ?? `t${randomUUID().slice(0, 8)}-`
    const registry = createConsulRegistry({ servers: [`127.0.0.1:${server.port}`], prefix, ttlMs: 2_000, ...options })
    opened.push(registry)
    return registry
  }
  const put = (service: object): Promise<unknown> => server.call('PUT', '/v1/agent/service/register', service)

  test('prefixes separate registries, and names are case-sensitive', async () => {
    const [one, other] = [open(), open()]
    await one.register(plainSpec('Orders', 1))
    await one.register({ ...plainSpec('orders', 1), id: 'A' })
    await one.register({ ...plainSpec('orders', 2), id: 'a' })
    expect((await other.getInstances('orders')).instances).toEqual([])
    expect(await other.listServices()).toEqual([])
    expect((await one.getInstances('Orders')).instances.map(({ id }) => id)).toEqual(['Orders-1'])
    expect((await one.getInstances('orders')).instances.map(({ id }) => id)).toEqual(['A', 'a'])
    expect(await one.listServices()).toEqual(['Orders', 'orders'])
  })

  test('other tools see name, address, tags, weight and the metadata that fits', async () => {
    const metadata = { team: 'a', 'not a key': 'x', long: 'x'.repeat(600), 'consul-x': 'y' }
    await open().register({ ...plainSpec('orders', 1), weight: 2.5, version: '1.2.3', tags: ['eu'], metadata })
    const found = (await server.call('GET', `/v1/catalog/service/${prefix}orders`)) as readonly Record<string, unknown>[]
    expect(found[0]).toMatchObject({
      ServiceID: `${prefix}orders:orders-1`,
      ServiceAddress: '10.1.0.1',
      ServicePort: 8_001,
      ServiceTags: ['eu', 'version=1.2.3'],
      ServiceWeights: { Passing: 3, Warning: 1 },
      ServiceMeta: { team: 'a', version: '1.2.3' },
    })
    expect(Object.keys(found[0]?.['ServiceMeta'] as object)).toHaveLength(2)
  })

  test('instances of Spring Cloud, Kratos and plain definitions are read', async () => {
    const registry = open()
    const [name, node] = [`${prefix}orders`, `node-${server.port}`]
    const spring = { Tags: ['secure=true', 'zone=z1'], Meta: { version: '1.4.0', team: 'a' } }
    await put({ ID: 'spring', Name: name, Address: '10.0.0.1', Port: 80, ...spring })
    const kratos = {
      Tags: ['version=v2'],
      TaggedAddresses: {
        grpc: { Address: 'grpc://10.0.0.2:9000', Port: 9_000 },
        http: { Address: 'http://10.0.0.2:8000', Port: 8_000 },
        lan_ipv4: { Address: '10.0.0.2', Port: 9_000 },
      },
    }
    await put({ ID: 'kratos', Name: name, Address: '10.0.0.2', Port: 9_000, ...kratos, Weights: { Passing: 5, Warning: 1 } })
    await put({ ID: name, Name: name, Port: 81, Tags: ['', 'secure'], Meta: { version: ' ' }, Check: { TTL: '60s' } })
    await put({ ID: 'no-port', Name: name, Address: '10.0.0.3' })
    const { instances } = await registry.getInstances('orders')
    const metadata = { version: '1.4.0', team: 'a', secure: 'true', zone: 'z1' }
    expect(instances.map(({ id }) => id)).toEqual(['kratos', `${node}/${name}`, 'spring'])
    expect(instances).toMatchObject([
      {
        ...{ address: '10.0.0.2', port: 9_000, protocol: 'grpc', version: 'v2', weight: 5, health: { status: 'healthy' } },
        ports: { grpc: 9_000, http: 8_000 },
      },
      { address: '127.0.0.1', protocol: 'https', tags: ['secure'], health: { status: 'unhealthy' } },
      { protocol: 'https', version: '1.4.0', tags: ['secure=true', 'zone=z1'], metadata, locality: { zone: 'z1' } },
    ])
    for (const { id } of instances) await registry.deregister('orders', id)
    await eventually(async () => expect((await registry.getInstances('orders')).instances).toEqual([]), limitMs)
    await server.call('PUT', '/v1/agent/service/deregister/no-port')
  })

  test('named ports are tagged addresses, as Kratos reads them', async () => {
    const registry = open()
    const ports = { grpc: 9_000, 'https-admin': 9_443, wan: 1, '9p': 564 }
    await registry.register({ ...plainSpec('ported', 1), ports })
    const entries = (await server.call('GET', `/v1/health/service/${prefix}ported`)) as readonly Entry[]
    const { TaggedAddresses: tagged, Address: address, Port: port } = (entries[0] as Entry).Service
    expect(tagged).toMatchObject({
      http: { Address: `http://${address}:${port}`, Port: port },
      grpc: { Address: `grpc://${address}:9000`, Port: 9_000 },
      'https-admin': { Address: `https-admin://${address}:9443`, Port: 9_443 },
    })
    expect(Object.keys(tagged ?? {})).not.toContain('wan')
    expect((await registry.getInstances('ported')).instances[0]?.ports).toEqual(ports)
  })

  test('maintenance mode drains', async () => {
    const registry = open()
    await registry.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('healthy'))
    await server.call('PUT', `/v1/agent/service/maintenance/${prefix}orders:orders-1?enable=true`)
    await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('draining'))
    await server.call('PUT', `/v1/agent/service/maintenance/${prefix}orders:orders-1?enable=false`)
    await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('healthy'))
    await probe.stop()
  })

  test('an unhealthy instance has the status warning, and passes again when it is healthy', async () => {
    const registry = open()
    const registration = await registry.register(plainSpec('orders', 1))
    const statuses = async (): Promise<readonly string[]> => {
      const checks = (await server.call('GET', `/v1/health/checks/${prefix}orders`)) as readonly { readonly Status: string }[]
      return checks.map(({ Status }) => Status)
    }
    await registration.update({ health: 'unhealthy' })
    await eventually(async () => expect(await statuses()).toEqual(['warning']), limitMs)
    expect((await registry.getInstance('orders', 'orders-1'))?.health.status).toBe('unhealthy')
    await registration.update({ health: 'healthy' })
    await eventually(async () => expect(await statuses()).toEqual(['passing']), limitMs)
  })

  describe('checks that the agent runs', () => {
    let web: Server
    let isHealthy = true
    beforeAll(async () => {
      web = createServer((request, response) => {
        response.statusCode = isHealthy && request.url === '/health' ? 200 : 500
        response.end('body')
      })
      await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    })
    afterAll(() => web.close())

    test('determine health together with the heartbeat', async () => {
      const { port } = web.address() as AddressInfo
      const http = { type: 'http', path: '/health', intervalMs: 1_000 } as const
      const registry = open({ healthChecks: [http, { type: 'tcp', intervalMs: 1_000 }] })
      await registry.register({ service: 'orders', id: 'a', address: '127.0.0.1', port })
      const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
      await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('healthy'))
      isHealthy = false
      await probe.until(({ instances }) => expect(instances[0]?.health).toMatchObject({ status: 'unhealthy' }))
      expect(probe.seen.at(-1)?.value?.instances[0]?.health.message).toContain('http check: HTTP GET')
      isHealthy = true
      await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('healthy'))
      await probe.stop()
    })

    test('include the check that an instance declares, while it declares one', async () => {
      const { port } = web.address() as AddressInfo
      isHealthy = false
      const registry = open()
      expect(registry.capabilities.healthChecks).toBe(true)
      const registration = await registry.register({ service: 'orders', id: 'a', address: '127.0.0.1', port })
      const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
      await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('healthy'))
      const healthCheck = { type: 'http', path: '/health', intervalMs: 1_000, timeoutMs: 1_000 } as const
      await registration.update({ healthCheck })
      await probe.until(({ instances }) => expect(instances[0]).toMatchObject({ healthCheck, health: { status: 'unhealthy' } }))
      await registration.update({ healthCheck: null })
      await probe.until(({ instances }) => expect(instances[0]?.health.status).toBe('healthy'))
      expect(probe.seen.at(-1)?.value?.instances[0]).not.toHaveProperty('healthCheck')
      isHealthy = true
      await probe.stop()
    })
  })

  test('a registration notices that another process uses its id', async () => {
    const [one, other] = [open(), open({ prefix })]
    const first = await one.register(plainSpec('orders', 1))
    const second = await other.register({ ...plainSpec('orders', 1), version: '2' })
    await eventually(() => expect(first.state).toBe('failed'), limitMs)
    expect(first.lastError).toMatchObject({ code: 'SD_CONFLICT' })
    await first.deregister()
    expect([second.state, (await other.getInstance('orders', 'orders-1'))?.version]).toEqual(['active', '2'])
  })

  test('more watches than connections take turns', async () => {
    const [one, watcher] = [open(), open({ prefix, maxWatchConnections: 2, waitMs: 300 })]
    const services = Array.from({ length: 6 }, (_, index) => `service-${index}`)
    const probes = services.map((service) => probeWatch((options) => watcher.watch(service, options), limitMs))
    await Promise.all(probes.map((probe) => probe.until(({ instances }) => expect(instances).toEqual([]))))
    await Promise.all(services.map((service) => one.register(plainSpec(service, 1))))
    await Promise.all(probes.map((probe) => probe.until(({ instances }) => expect(instances).toHaveLength(1))))
    await Promise.all(probes.map((probe) => probe.stop()))
  })

  test('a blocking query that ends without a change yields nothing and continues', async () => {
    const [one, watcher] = [open(), open({ prefix, waitMs: 100 })]
    const probe = probeWatch((options) => watcher.watch('orders', options), limitMs)
    await probe.until(({ instances }) => expect(instances).toEqual([]))
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(probe.seen).toHaveLength(1)
    await one.register(plainSpec('orders', 1))
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await probe.stop()
  })

  test('an instance that is too large, or that Consul does not accept, is refused', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index}`, 'x'.repeat(60_000)]))
    await expect(open().register({ ...plainSpec('orders', 1), metadata })).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    const anyAddress = { ...plainSpec('orders', 1), address: '0.0.0.0' }
    await expect(open().register(anyAddress)).rejects.toMatchObject({ code: 'SD_INVALID', retryable: false })
  })

  test('a datacenter that does not exist is an error', async () => {
    const registry = open({ datacenter: 'nowhere' })
    await expect(registry.getInstances('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect((await open({ datacenter: 'dc1' }).getInstances('orders')).instances).toEqual([])
  })

  test('a disabled registry finds instances and registers none', async () => {
    const registry = open()
    await registry.register(plainSpec('orders', 1))
    const quiet = open({ prefix, enabled: false })
    const registration = await quiet.register(plainSpec('orders', 2))
    expect(registration.state).toBe('closed')
    expect((await quiet.getInstances('orders')).instances.map(({ id }) => id)).toEqual(['orders-1'])
  })
})

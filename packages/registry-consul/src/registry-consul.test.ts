import { createServiceInstance, type InstanceSpec, type SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { type Entry, foreignId, readEntries, readEntry as readOne, sharedIds } from './entries.ts'
import { createConsulRegistry } from './index.ts'
import { checkSize, describeInstance, readInstanceId, readServiceName, serviceId, serviceName } from './layout.ts'
import { resolveConsulRegistryOptions } from './options.ts'

const readEntry = (entry: Entry, service: string): ReturnType<typeof readOne> => readOne(entry, service, new Set())

const spec: InstanceSpec = { service: 'orders', id: 'a/b', address: '10.0.0.1', port: 80, ttlMs: 2_000 }

interface Description {
  readonly ID: string
  readonly Meta: Record<string, string>
  readonly Checks: readonly Record<string, unknown>[]
}

function describeSpec(change: Partial<InstanceSpec>, healthChecks: readonly object[] = []): Description {
  const settings = resolveConsulRegistryOptions({ healthChecks: healthChecks as never })
  const placement = { name: 'orders', incarnation: 'i', ttlMs: 2_000, healthChecks: settings.healthChecks }
  return describeInstance(createServiceInstance({ ...spec, ...change }), placement) as Description
}

/** A registration as Consul lists it. */
function entryOf({ ID, Meta, Checks }: Description, change: object = {}, others: readonly object[] = []): Entry {
  const [heartbeat] = Checks
  const check = { ...heartbeat, ServiceID: ID, Output: '', ...change }
  return {
    Node: { Node: 'n', Address: '10.9.9.9' },
    Service: { ID, Service: 'orders', Tags: null, Address: '10.0.0.1', Port: 80, Meta },
    Checks: [{ CheckID: 'serfHealth', Status: 'passing', ServiceID: '' }, check, ...others],
  } as unknown as Entry
}

describe('names', () => {
  test.each(['orders', 'Orders', 'a/b', 'ümläut-🦄', 'a~b', '{"json":true}'])('%s is decoded again', (name) => {
    expect(readServiceName('p-', serviceName('p-', name))).toBe(name)
    expect(readInstanceId('p-orders', serviceId('p-orders', name))).toBe(name)
  })

  test('ids that differ only by case get different hashes', () => {
    expect(serviceId('orders', 'A').toLowerCase()).not.toBe(serviceId('orders', 'a').toLowerCase())
  })

  test('a name with another prefix is not a service of ours', () => {
    expect([readServiceName('p-', 'q-x'), readServiceName('p-', 'p-')]).toEqual([undefined, undefined])
  })
})

describe('the registration request', () => {
  test('contains a heartbeat check, and the configured checks', () => {
    const checks = [
      { type: 'http', path: '/health?x' },
      { type: 'http', secure: true, skipTlsVerify: true, intervalMs: 2_000, timeoutMs: 50 },
      { type: 'tcp' },
      { type: 'grpc', grpcService: 'orders.Orders', secure: true },
    ]
    const { Checks } = describeSpec({ address: '::1' }, checks)
    expect(Checks).toMatchObject([
      { CheckID: 'sd:i', TTL: '2000ms', Status: 'passing', DeregisterCriticalServiceAfter: '60000ms' },
      { CheckID: 'sd-check-0:i', HTTP: 'http://[::1]:80/health?x', Interval: '10000ms', Timeout: '5000ms', Status: 'passing' },
      { HTTP: 'https://[::1]:80/', TLSSkipVerify: true, Interval: '2000ms', Timeout: '50ms' },
      { TCP: '[::1]:80', TCPUseTLS: false },
      { GRPC: '[::1]:80/orders.Orders', GRPCUseTLS: true },
    ])
    expect(describeSpec({ protocol: 'https', health: 'draining' }, [{ type: 'http' }]).Checks).toMatchObject([
      { Status: 'warning' },
      { HTTP: 'https://10.0.0.1:80/' },
    ])
  })

  test.each<[string, Partial<InstanceSpec>, object]>([
    [
      'http',
      { healthCheck: { type: 'http', path: '/ready?full', intervalMs: 5_000, timeoutMs: 500 } },
      { HTTP: 'http://10.0.0.1:80/ready?full', Interval: '5000ms', Timeout: '500ms', Status: 'passing' },
    ],
    [
      'http with TLS',
      { protocol: 'https', healthCheck: { type: 'http' } },
      { HTTP: 'https://10.0.0.1:80/', Interval: '10000ms', Timeout: '5000ms' },
    ],
    [
      'tcp, more often than an agent may',
      { protocol: 'https', healthCheck: { type: 'tcp', intervalMs: 100 } },
      { TCP: '10.0.0.1:80', TCPUseTLS: false, Interval: '1000ms' },
    ],
    ['grpc', { protocol: 'grpcs', healthCheck: { type: 'grpc' } }, { GRPC: '10.0.0.1:80', GRPCUseTLS: true }],
  ])('contains the check that the instance declares, after those of the registry: %s', (_, change, check) => {
    const { Checks } = describeSpec(change, [{ type: 'tcp' }])
    expect(Checks).toMatchObject([{ CheckID: 'sd:i' }, { CheckID: 'sd-check-0:i' }, { CheckID: 'sd-check-1:i', ...check }])
  })

  test('contains as much metadata as Consul accepts', () => {
    const metadata = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, 'v']))
    expect(Object.keys(describeSpec({ metadata, version: '1' }).Meta)).toHaveLength(64)
    expect(describeSpec({ metadata: { version: 'mine', umlaut: 'ü'.repeat(300) }, version: '1' }).Meta).toEqual({
      version: 'mine',
    })
  })

  test('contains protocol and version for Spring Cloud and Kratos', () => {
    expect(describeSpec({ protocol: 'https', version: '1.2', tags: ['eu'] })).toMatchObject({
      Meta: { secure: 'true', version: '1.2' },
      Tags: ['eu', 'version=1.2'],
      TaggedAddresses: { https: { Address: 'https://10.0.0.1:80', Port: 80 } },
    })
    expect(describeSpec({ protocol: 'grpc', address: '::1', tags: ['version=mine'], version: '1' })).toMatchObject({
      Tags: ['version=mine'],
      TaggedAddresses: { grpc: { Address: 'grpc://[::1]:80', Port: 80 } },
    })
    expect(describeSpec({ protocol: 'https', metadata: { secure: 'maybe' } }).Meta).toEqual({ secure: 'maybe' })
  })

  test('has at most one megabyte', () => {
    const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`k${index}`, 'x'.repeat(65_536)]))
    expect(() => checkSize(createServiceInstance({ ...spec, metadata }))).toThrow('want at most 1000000')
  })
})

describe('an entry of Consul', () => {
  test('is read as it was registered', () => {
    const health = { status: 'unhealthy', message: 'disk full' } as const
    const found = readEntry(entryOf(describeSpec({ weight: 0, health, metadata: { 'a b': 'c' } })), 'orders')
    expect(found).toMatchObject({ id: 'a/b', weight: 0, health, metadata: { 'a b': 'c' }, ttlMs: 2_000 })
  })

  test('is left out without heartbeats, and unhealthy while its agent has not received one yet', () => {
    const expired = { Status: 'critical', Output: 'TTL expired' }
    expect(readEntry(entryOf(describeSpec({}), expired), 'orders')).toBeUndefined()
    const restarted = readEntry(entryOf(describeSpec({}), { Status: 'critical' }), 'orders')
    expect(restarted?.health).toMatchObject({ status: 'unhealthy', message: 'heartbeat: ' })
  })

  test('is made worse by other checks, never better', () => {
    const critical = { CheckID: 'x', Name: 'disk', Status: 'critical', Output: `${'x'.repeat(2_000)}`, ServiceID: '' }
    const maintenance = { CheckID: '_node_maintenance', Status: 'critical', ServiceID: '' }
    const statusOf = (change: Partial<InstanceSpec>, other: object): unknown =>
      readEntry(entryOf(describeSpec(change), {}, [other]), 'orders')?.health.status
    expect(statusOf({}, critical)).toBe('unhealthy')
    expect(statusOf({}, maintenance)).toBe('draining')
    expect(statusOf({ health: 'draining' }, critical)).toBe('draining')
    expect(statusOf({ health: 'unhealthy' }, { ...critical, Status: 'warning' })).toBe('unhealthy')
  })

  test('is refused if it is malformed', () => {
    expect(() => readEntry(entryOf(describeSpec({}), { Notes: '{' }), 'orders')).toThrow('is not valid JSON')
    expect(() => readEntries({}, 'orders')).toThrow('is not an array')
    expect(readEntries([entryOf(describeSpec({}))], 'Orders')).toEqual([])
  })

  test('of another tool gets a unique id', () => {
    const { Service, ...rest } = entryOf(describeSpec({}))
    const entry = (ID: string, Node: string = 'n'): Entry => ({
      ...rest,
      Node: { ...rest.Node, Node },
      Service: { ...Service, ID },
    })
    const none = new Set<string>()
    expect(foreignId(entry('x'), none)).toBe('x')
    expect(foreignId(entry('orders'), none)).toBe('n/orders')
    const shared = sharedIds([entry('x'), entry('x', 'm'), entry('y'), entry('y')])
    expect([...shared]).toEqual(['x'])
    expect([foreignId(entry('x'), shared), foreignId(entry('x', 'm'), shared)]).toEqual(['n/x', 'm/x'])
  })
})

describe('options', () => {
  test.each([
    ['prefix', { prefix: 'a/b' }],
    ['ttlMs', { ttlMs: 1 }],
    ['enabled', { enabled: 1 as never }],
    ['name', { name: '' }],
    ['host', { host: 'a' }],
    ['healthChecks', { healthChecks: {} }],
    ['healthChecks[0]', { healthChecks: ['x'] }],
    ['healthChecks[0].type', { healthChecks: [{ type: 'script' }] }],
    ['healthChecks[0].path', { healthChecks: [{ type: 'http', path: 'x' }] }],
    ['healthChecks[0].script', { healthChecks: [{ type: 'http', script: 'x' }] }],
    ['healthChecks[0].intervalMs', { healthChecks: [{ type: 'tcp', intervalMs: 10 }] }],
  ])('a wrong %s is refused', (field, options) => {
    const open = (): unknown => createConsulRegistry(options as never)
    expect(open).toThrow(expect.objectContaining({ code: 'SD_INVALID', field } satisfies Partial<SdError>))
  })
})

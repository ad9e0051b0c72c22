import { encodeInstance, readIncarnation } from '@sd/adapter-kit'
import { createServiceInstance } from '@sd/core'
import { expect, test } from 'vitest'
import { idOfNode, readDocument, serviceOfNode } from './documents.ts'

function read(node: string, document: unknown): ReturnType<typeof readDocument> {
  return readDocument('orders', node, typeof document === 'string' ? document : JSON.stringify(document))
}

test('a document of this package is decoded as it was encoded', () => {
  const instance = createServiceInstance({ service: 'orders', id: 'one', address: '10.0.0.1', port: 80, weight: 3 })
  const text = encodeInstance(instance, 'mark')
  expect(read('one', text)).toEqual({ instance, incarnation: 'mark' })
  expect(readIncarnation(text)).toBe('mark')
  expect(readIncarnation('{')).toBeUndefined()
})

test('a document of this package is also one of Kratos', () => {
  const instance = createServiceInstance({
    service: 'orders',
    id: 'one',
    address: '::1',
    port: 9_000,
    protocol: 'grpc',
    version: '1.2',
  })
  expect(JSON.parse(encodeInstance(instance, 'mark'))).toMatchObject({
    id: 'one',
    name: 'orders',
    version: '1.2',
    metadata: {},
    endpoints: ['grpc://[::1]:9000'],
  })
})

const spring = {
  name: 'orders',
  id: 'd7f2',
  address: '10.0.0.2',
  port: 8080,
  sslPort: null,
  payload: {
    '@class': 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance',
    id: 'orders-1',
    name: 'orders',
    metadata: { instance_status: 'UP', zone: 'a', version: '1.2.0', number: 1 },
  },
  registrationTimeUTC: 1_700_000_000_000,
  serviceType: 'DYNAMIC',
  uriSpec: { parts: [{ value: 'scheme', variable: true }] },
}

test('an instance of Spring Cloud or Curator', () => {
  const instance = read('d7f2', spring)?.instance
  expect(instance).toMatchObject({ id: 'd7f2', address: '10.0.0.2', port: 8080, protocol: 'http', version: '1.2.0' })
  expect({ ...instance?.metadata }).toEqual({ instance_status: 'UP', zone: 'a', version: '1.2.0' })
  expect(instance?.health.status).toBe('healthy')
  expect(read('d7f2', { ...spring, payload: null })?.instance.metadata).toEqual(Object.create(null))
})

test('its TLS port, status and switch', () => {
  expect(read('d7f2', { ...spring, sslPort: 8443 })?.instance).toMatchObject({ port: 8443, protocol: 'https' })
  const away = { ...spring, payload: { metadata: { instance_status: 'OUT_OF_SERVICE' } } }
  expect(read('d7f2', away)?.instance.health.status).toBe('draining')
  expect(read('d7f2', { ...spring, enabled: false })?.instance.health.status).toBe('draining')
})

test('an application of Dubbo 3, which has the protocol in its endpoints', () => {
  const metadata = { 'dubbo.endpoints': '[{"port":20881,"protocol":"tri"}]', 'dubbo.metadata.storage-type': 'local' }
  const dubbo = { ...spring, port: 20_881, payload: { ...spring.payload, metadata } }
  expect(read('d7f2', dubbo)?.instance).toMatchObject({ port: 20_881, protocol: 'tri', ports: { tri: 20_881 } })
})

test('an instance of Kratos', () => {
  const kratos = {
    id: 'k',
    name: 'orders',
    version: 'v1',
    metadata: { a: 'b' },
    endpoints: ['grpc://10.0.0.3:9000?isSecure=false'],
  }
  expect(read('k', kratos)?.instance).toMatchObject({ address: '10.0.0.3', port: 9000, protocol: 'grpc', version: 'v1' })
  expect(read('k', kratos)?.instance.ports).toMatchObject({ grpc: 9000 })
  const secure = { ...kratos, version: '', metadata: null, endpoints: ['http://[::1]:80?isSecure=true'] }
  expect(read('k', secure)?.instance).toMatchObject({ address: '::1', port: 80, protocol: 'https' })
  expect(read('k', { ...kratos, endpoints: ['https://host.example'] })?.instance.port).toBe(443)
  expect(() => read('k', { ...kratos, endpoints: ['nonsense'] })).toThrow(/address/)
  expect(() => read('k', { ...kratos, endpoints: [] })).toThrow(/address/)
})

test('a provider of Dubbo is read from its name', () => {
  const url = 'dubbo://10.0.0.4:20880/org.example.Greeter?application=demo&group=blue&version=2.0.0&weight=50&methods=greet'
  const node = encodeURIComponent(url)
  expect(idOfNode(node)).toBe('10.0.0.4:20880/blue/2.0.0')
  const instance = read(node, '10.0.0.4')?.instance
  expect(instance).toMatchObject({
    id: '10.0.0.4:20880/blue/2.0.0',
    address: '10.0.0.4',
    port: 20880,
    protocol: 'dubbo',
    version: '2.0.0',
    weight: 50,
  })
  expect(instance?.metadata['application']).toBe('demo')
  expect(read(encodeURIComponent('tri://10.0.0.4:50051/x?disabled=true'), '')?.instance.health.status).toBe('draining')
})

test('a node that only looks like a provider is a name', () => {
  expect(idOfNode('dubbo%3A%2F%2F%E0%A4%A')).toBe('dubbo%3A%2F%2F%E0%A4%A')
  expect(() => read('dubbo%3A%2F%2F%E0%A4%A', '')).toThrow('has no data')
})

test('a node without data is not an instance, and an invalid one is malformed', () => {
  expect(() => read('folder', '')).toThrow('has no data')
  for (const text of ['127.0.0.1', '[]', 'null', '{}', '{"sslPort":1}', '{"address":"10.0.0.1","port":"x"}']) {
    expect(() => read('x', text), text).toThrow(expect.objectContaining({ code: 'SD_MALFORMED' }))
  }
})

test('folders of services', () => {
  expect(serviceOfNode('orders')).toBe('orders')
  expect(serviceOfNode('a~2fb')).toBe('a/b')
  expect(serviceOfNode('with space')).toBeUndefined()
})

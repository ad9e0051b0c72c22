import { expect, test } from 'vitest'
import { decodeInstance } from './instance-codec.ts'

/** A document that a version of this package registered. It must remain readable forever: add documents, never change one. */
const document =
  '{"id":"orders-1","service":"orders","address":"10.0.0.1","port":8080,"protocol":"https","version":"1.2.0","weight":2.5,"priority":1,"tags":["eu"],"metadata":{"team":"a"},"locality":{"region":"eu","zone":"z1"},"health":{"status":"healthy","checkedAt":1795990127171},"createdAt":1795990127171,"updatedAt":1795990127171,"incarnation":"me"}'

test('an instance document of the first version is read', () => {
  const { instance, incarnation } = decodeInstance(document, { service: 'orders', id: 'orders-1' })
  expect(incarnation).toBe('me')
  expect(instance).toMatchObject({
    address: '10.0.0.1',
    port: 8080,
    protocol: 'https',
    version: '1.2.0',
    weight: 2.5,
    priority: 1,
    tags: ['eu'],
    metadata: { team: 'a' },
    locality: { region: 'eu', zone: 'z1' },
  })
})

/** The next format: with named ports, a declared health check and the fields for Kratos. */
const secondDocument =
  '{"id":"orders-1","service":"orders","address":"10.0.0.1","port":8080,"ports":{"admin":9090},"protocol":"https","version":"1.2.0","weight":2.5,"priority":1,"tags":["eu"],"metadata":{"team":"a"},"locality":{"zone":"z1"},"health":{"status":"healthy","checkedAt":1795990127171},"healthCheck":{"type":"http","path":"/ready","intervalMs":10000,"timeoutMs":500},"createdAt":1795990127171,"updatedAt":1795990127171,"name":"orders","endpoints":["https://10.0.0.1:8080","admin://10.0.0.1:9090"],"incarnation":"me"}'

test('an instance document with ports and a health check is read', () => {
  const { instance, incarnation } = decodeInstance(secondDocument, { service: 'orders', id: 'orders-1' })
  expect(incarnation).toBe('me')
  expect(instance).toMatchObject({
    id: 'orders-1',
    service: 'orders',
    address: '10.0.0.1',
    port: 8080,
    ports: { admin: 9090 },
    protocol: 'https',
    version: '1.2.0',
    weight: 2.5,
    priority: 1,
    tags: ['eu'],
    metadata: { team: 'a' },
    locality: { zone: 'z1' },
    health: { status: 'healthy' },
    healthCheck: { type: 'http', path: '/ready', intervalMs: 10_000, timeoutMs: 500 },
    createdAt: 1795990127171,
  })
})

test('fields of a later version are ignored, and missing fields have defaults', () => {
  const later = JSON.stringify({
    ...JSON.parse(secondDocument),
    format: 9,
    quota: { cpu: 1 },
    weight: undefined,
    tags: undefined,
  })
  const { instance } = decodeInstance(later, { service: 'orders', id: 'orders-1' })
  expect([instance.weight, instance.tags, Object.keys(instance)]).toEqual([
    1,
    [],
    expect.not.arrayContaining(['quota', 'format']),
  ])
})

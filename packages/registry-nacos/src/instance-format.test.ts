import { expect, test } from 'vitest'
import { decodeInstance, readPlace } from './instance-codec.ts'

/** An instance in Nacos' format, with every `sd.` key. It must remain readable forever: add hosts, never change one. */
const host = {
  ip: '10.0.0.1',
  port: 8080,
  weight: 2.5,
  healthy: true,
  enabled: true,
  ephemeral: true,
  clusterName: 'DEFAULT',
  metadata: {
    team: 'a',
    version: 'own',
    secure: 'own',
    kind: 'own',
    'sd.id': 'orders-1',
    'sd.createdAt': '1795990127171',
    'sd.updatedAt': '1795990127999',
    'sd.version': '1.2.0',
    'sd.protocol': 'https',
    'sd.kind': 'own',
    'sd.weight': '2.5000001',
    'sd.priority': '1',
    'sd.tags': '["eu"]',
    'sd.locality': '{"zone":"z1"}',
    'sd.ports': '{"admin":9090}',
    'sd.healthCheck': '{"type":"http","path":"/ready","intervalMs":10000,"timeoutMs":500}',
    'sd.health': '{"status":"healthy","message":"all good"}',
  },
}

const expected = {
  id: 'orders-1',
  service: 'orders',
  address: '10.0.0.1',
  port: 8080,
  ports: { admin: 9090 },
  protocol: 'https',
  version: '1.2.0',
  weight: 2.5000001,
  priority: 1,
  tags: ['eu'],
  metadata: { team: 'a', version: 'own', secure: 'own', kind: 'own' },
  locality: { zone: 'z1' },
  health: { status: 'healthy', message: 'all good' },
  healthCheck: { type: 'http', path: '/ready', intervalMs: 10_000, timeoutMs: 500 },
  createdAt: 1795990127171,
  updatedAt: 1795990127999,
}

test('every sd. key is read', () => {
  expect(decodeInstance('orders', host)).toMatchObject(expected)
  expect(readPlace(host)).toMatchObject({ id: 'orders-1', ip: '10.0.0.1', port: 8080 })
})

test('an sd. key of a later version is ignored, and is not metadata', () => {
  const later = { ...host, metadata: { ...host.metadata, 'sd.quota': '{"cpu":1}' } }
  expect(decodeInstance('orders', later)).toMatchObject(expected)
  expect(decodeInstance('orders', later).metadata).not.toHaveProperty('sd.quota')
})

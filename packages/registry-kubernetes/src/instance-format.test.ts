import { expect, test } from 'vitest'
import { decodeSlice, incarnationOf, leaseNameOf, type Slice } from './slices.ts'

/**
 * A slice with the labels and the annotation of the first version. It must remain readable forever: add slices, never
 * change one.
 */
const slice = {
  metadata: {
    name: 'orders-b5e63bf97910d3da6b710238',
    labels: {
      'kubernetes.io/service-name': 'orders',
      'endpointslice.kubernetes.io/managed-by': 'sd',
      'sd/lease': 'sd-lease',
    },
    annotations: {
      'sd/instance':
        '{"id":"orders-1","service":"orders","address":"10.0.0.1","port":8080,"ports":{"admin":9090},"protocol":"https","version":"1.2.0","weight":2.5,"priority":1,"tags":["eu"],"metadata":{"team":"a"},"locality":{"zone":"z1"},"health":{"status":"healthy","checkedAt":1795990127171},"createdAt":1795990127171,"updatedAt":1795990127171,"name":"orders","endpoints":["https://10.0.0.1:8080","admin://10.0.0.1:9090"],"incarnation":"me"}',
    },
  },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true, serving: true, terminating: false }, zone: 'z1' }],
  ports: [{ name: '', port: 8080, protocol: 'TCP', appProtocol: 'https' }],
} as unknown as Slice

test('a slice of the first version is read', () => {
  expect(decodeSlice(slice)).toMatchObject({
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
    createdAt: 1795990127171,
  })
  expect([incarnationOf(slice), leaseNameOf(slice)]).toEqual(['me', 'sd-lease'])
})

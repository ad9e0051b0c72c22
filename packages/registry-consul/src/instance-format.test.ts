import { expect, test } from 'vitest'
import { type Entry, readEntry } from './entries.ts'

/** The document in the notes of a heartbeat. It must remain readable forever: add documents, never change one. */
const notes =
  '{"id":"orders-1","service":"orders","address":"10.0.0.1","port":8080,"ports":{"admin":9090},"protocol":"https","version":"1.2.0","weight":2.5,"priority":1,"tags":["eu"],"metadata":{"team":"a"},"locality":{"zone":"z1"},"health":{"status":"healthy","checkedAt":1795990127171},"createdAt":1795990127171,"updatedAt":1795990127171,"name":"orders","endpoints":["https://10.0.0.1:8080","admin://10.0.0.1:9090"],"incarnation":"me"}'

/** An instance in Consul's format. */
const entry: Entry = {
  Node: { Node: 'node-1', Address: '10.0.0.9' },
  Service: {
    ID: 'orders:orders-1',
    Service: 'orders',
    Tags: ['eu', 'version=1.2.0'],
    Address: '10.0.0.1',
    Port: 8080,
    Meta: { version: '1.2.0', secure: 'true', team: 'a' },
    Weights: { Passing: 3 },
  },
  Checks: [{ CheckID: 'sd:me', Name: 'heartbeat', Status: 'passing', Notes: notes, Output: '', ServiceID: 'orders:orders-1' }],
}

test('an entry of the first version is read', () => {
  expect(readEntry(entry, 'orders', new Set())).toMatchObject({
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
})

import { expect, test } from 'vitest'
import { decodeInstance } from './instance-codec.ts'

/** A document that a version of this package registered. It must be read for ever: add documents, never change one. */
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

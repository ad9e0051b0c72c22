import { createServiceInstance, type HealthCheckSpec, type InstanceSpec } from '@sd/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeInstance, encodeInstance } from './instance-codec.ts'

const spec: InstanceSpec = { service: 'orders', address: '10.0.0.1', port: 8080 }
const portNames = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,10}[a-z0-9])?$/)
const portTables = fc.dictionary(portNames, fc.integer({ min: 1, max: 65_535 }), { maxKeys: 32 })
const checks: fc.Arbitrary<HealthCheckSpec> = fc.oneof(
  fc.record(
    {
      type: fc.constant('http' as const),
      path: fc.constantFrom('/', '/ready?a=b', '/%41'),
      intervalMs: fc.integer({ min: 100, max: 10_000 }),
    },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    { type: fc.constantFrom('tcp' as const, 'grpc' as const), timeoutMs: fc.integer({ min: 1, max: 10_000 }) },
    { requiredKeys: ['type'] },
  ),
)

test('named ports and a declared health check are preserved', () => {
  fc.assert(
    fc.property(portTables, checks, (ports, healthCheck) => {
      const instance = createServiceInstance({ ...spec, ports, healthCheck })
      const { service, id } = instance
      expect(decodeInstance(encodeInstance(instance, 'me'), { service, id }).instance).toEqual(instance)
    }),
  )
})

import { expect, test } from 'vitest'
import { checkClusterSource } from './cluster.ts'

test('the option discovery is checked, and a registry is recognised', () => {
  const source = { cluster: () => undefined }
  expect(checkClusterSource('discovery', source)).toBe(source)
  expect(() => checkClusterSource('discovery', { getInstances: () => undefined })).toThrow(
    'Invalid discovery: got "a registry", want a discovery: createDiscovery({ source: registry }), from @sd/discovery',
  )
  expect(() => checkClusterSource('discovery', {})).toThrow('Invalid discovery.cluster: got undefined, want a function')
  expect(() => checkClusterSource('discovery', undefined)).toThrow('Invalid discovery: got undefined, want an object')
})

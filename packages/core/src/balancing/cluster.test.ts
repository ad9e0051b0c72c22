import { expect, test } from 'vitest'
import { checkClusterSource } from './cluster.ts'

test('what is given as discovery is checked, and a registry is told from it', () => {
  const source = { cluster: () => undefined }
  expect(checkClusterSource('discovery', source)).toBe(source)
  expect(() => checkClusterSource('discovery', { getInstances: () => undefined })).toThrow(
    'Invalid discovery: got "a registry", want a discovery: createDiscovery({ source: registry }), from @sd/discovery',
  )
  expect(() => checkClusterSource('discovery', {})).toThrow('Invalid discovery.cluster: got undefined, want a function')
  expect(() => checkClusterSource('discovery', undefined)).toThrow('Invalid discovery: got undefined, want an object')
})

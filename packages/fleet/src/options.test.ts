import { createMemoryRegistry } from '@sd/registry-memory'
import { expect, test } from 'vitest'
import { createFleet, type FleetOptions } from './index.ts'

const source = createMemoryRegistry()

test.each<[string, Record<string, unknown>]>([
  ['source', { source: undefined }],
  ['source.watchAll', { source: { ...source, watchAll: undefined } }],
  ['url', { url: 5 }],
  ['services[0]', { services: ['http://orders'] }],
  ['services', { services: 'orders' }],
  ['processes[0]', { processes: ['/x'] }],
  ['token', { token: 'two words' }],
  ['token', { token: '' }],
  ['tls', { tls: true }],
  ['intervalMs', { intervalMs: 99 }],
  ['requestTimeoutMs', { requestTimeoutMs: 0 }],
  ['maxProcesses', { maxProcesses: 0 }],
  ['maxServices', { maxServices: 1.5 }],
  ['concurrency', { concurrency: 1_001 }],
  ['keepMs', { keepMs: 59_999 }],
  ['allowedNetworks[0]', { allowedNetworks: ['10.0.0.0/99'] }],
  ['allowInsecure', { allowInsecure: 'yes' }],
  ['onError', { onError: 5 }],
  ['interval', { interval: 5 }],
])('%s is checked', (field, options) => {
  expect(() => createFleet({ source, ...options } as FleetOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})

test('a token is in no message, and credentials of the URL are in no model', () => {
  expect(() => createFleet({ source, token: 'hunter2 hunter2' })).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
  )
  expect(createFleet({ source, url: 'consul://ann:hunter2@10.0.0.1:8500/?token=hunter2' }).model.registry.url).not.toContain(
    'hunter2',
  )
  expect(createFleet({ source }).model).toMatchObject({ at: 0, registry: { name: 'memory', url: '', isKnown: false } })
})

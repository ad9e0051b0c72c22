import { describe, expect, test } from 'vitest'
import { createConsulConfigSource } from './index.ts'
import { resolveConsulConfigSourceOptions } from './options.ts'

describe('options', () => {
  test('have defaults', async () => {
    expect(resolveConsulConfigSourceOptions({})).toMatchObject({
      name: 'config-consul',
      prefix: 'sd/config',
      keys: undefined,
      format: undefined,
      servers: [{ host: '127.0.0.1', port: 8_500 }],
      operationTimeoutMs: 5_000,
      waitMs: 55_000,
    })
    await using source = createConsulConfigSource()
    expect(source).toMatchObject({
      name: 'config-consul',
      state: 'disconnected',
      capabilities: { watch: 'push', write: true, compareAndSet: true, annotations: false },
    })
  })

  test.each([
    ['options', 'text'],
    ['host', { host: 'a' }],
    ['name', { name: '' }],
    ['prefix', { prefix: '/app' }],
    ['prefix', { prefix: 'app/' }],
    ['keys', { keys: [] }],
    ['keys', { keys: 'orders.yaml' }],
    ['keys[2]', { keys: ['a', 'b', 'a'] }],
    ['keys[1]', { keys: ['a', '/b'] }],
    ['format', { format: 'xml' }],
    ['servers[0]', { servers: ['user:secret@host'] }],
    ['token', { token: '' }],
    ['tls.key', { servers: ['https://a'], tls: { key: 'secret' } }],
    ['operationTimeoutMs', { operationTimeoutMs: 0 }],
  ])('a wrong %s is refused without showing a secret', (field, options) => {
    let error: unknown
    try {
      createConsulConfigSource(options as never)
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ code: 'SD_INVALID', field })
    expect(String(error)).not.toContain('secret')
  })
})

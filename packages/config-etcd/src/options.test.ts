import { describe, expect, test } from 'vitest'
import { createEtcdConfigSource } from './index.ts'
import { resolveEtcdConfigSourceOptions } from './options.ts'

describe('options', () => {
  test('have defaults', async () => {
    expect(resolveEtcdConfigSourceOptions({})).toMatchObject({
      name: 'config-etcd',
      prefix: '/sd/config',
      keys: undefined,
      format: undefined,
      servers: [{ host: '127.0.0.1', port: 2_379 }],
      operationTimeoutMs: 5_000,
    })
    await using source = createEtcdConfigSource()
    expect(source).toMatchObject({
      name: 'config-etcd',
      state: 'disconnected',
      capabilities: { watch: 'push', write: true, compareAndSet: true, annotations: false },
    })
  })

  test.each([
    ['options', 'text'],
    ['host', { host: 'a' }],
    ['name', { name: '' }],
    ['prefix', { prefix: '/app/' }],
    ['keys', { keys: [] }],
    ['keys', { keys: 'orders.yaml' }],
    ['keys[2]', { keys: ['a', 'b', 'a'] }],
    ['keys[1]', { keys: ['a', '/b'] }],
    ['format', { format: 'xml' }],
    ['servers[0]', { servers: ['user:secret@host'] }],
    ['credentials.password', { credentials: { username: 'a', password: '' } }],
    ['tls.key', { servers: ['https://a'], tls: { key: 'secret' } }],
    ['operationTimeoutMs', { operationTimeoutMs: 0 }],
  ])('a wrong %s is refused without showing a secret', (field, options) => {
    let error: unknown
    try {
      createEtcdConfigSource(options as never)
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ code: 'SD_INVALID', field })
    expect(String(error)).not.toContain('secret')
  })
})

import { describe, expect, test } from 'vitest'
import { checkPrefix, resolveEtcdConnectionOptions } from './index.ts'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveEtcdConnectionOptions({}, 'etcd')).toMatchObject({
      servers: [{ host: '127.0.0.1', port: 2_379, secure: false }],
      operationTimeoutMs: 5_000,
    })
  })

  test.each([
    ['servers', { servers: [] }],
    ['servers[0]', { servers: ['user:secret@host'] }],
    ['servers', { servers: ['http://a', 'https://b'] }],
    ['servers', { servers: ['http://a'], tls: {} }],
    ['credentials.password', { credentials: { username: 'a', password: '' } }],
    ['tls', { servers: ['https://a'], tls: { cert: '-----BEGIN CERTIFICATE-----' } }],
    ['tls.key', { servers: ['https://a'], tls: { key: 'secret' } }],
    ['operationTimeoutMs', { operationTimeoutMs: 1 }],
  ])('an invalid %s is refused without showing a secret', (field, options) => {
    let error: unknown
    try {
      resolveEtcdConnectionOptions(options, 'etcd')
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ code: 'SD_INVALID', field })
    expect(String(error)).not.toContain('secret')
  })

  test('a prefix has no trailing slash', () => {
    expect(checkPrefix('/a/b')).toBe('/a/b')
    expect(() => checkPrefix('/a/')).toThrow('Invalid prefix')
    expect(() => checkPrefix('')).toThrow('Invalid prefix')
  })
})

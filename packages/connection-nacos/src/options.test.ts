import { describe, expect, test } from 'vitest'
import { checkGroup, checkLabel, resolveNacosConnectionOptions } from './index.ts'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveNacosConnectionOptions({}, 'nacos')).toEqual({
      name: 'nacos',
      servers: [{ secure: false, host: '127.0.0.1', port: 8_848 }],
      api: 'auto',
      namespace: 'public',
      credentials: undefined,
      tls: undefined,
      operationTimeoutMs: 5_000,
    })
  })

  test.each([
    ['servers', { servers: [] }],
    ['servers[0]', { servers: ['http://user:secret@host'] }],
    ['servers', { servers: ['http://a', 'https://b'] }],
    ['servers', { tls: { ca: '-----BEGIN ' } }],
    ['api', { api: 'v2' as never }],
    ['namespace', { namespace: 'a b' }],
    ['credentials.password', { credentials: { username: 'u', password: '' } }],
    ['tls.ca', { servers: ['https://a'], tls: { ca: 'secret' } }],
    ['operationTimeoutMs', { operationTimeoutMs: 0 }],
  ])('an invalid %s is refused without showing a secret', (field, options) => {
    let error: unknown
    try {
      resolveNacosConnectionOptions(options, 'nacos')
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ code: 'SD_INVALID', field })
    expect(String(error)).not.toContain('secret')
  })

  test('groups and labels are those that Nacos accepts', () => {
    expect(checkGroup('group', 'a.b:c-d_e')).toBe('a.b:c-d_e')
    expect(checkLabel('cluster', 'zone-a')).toBe('zone-a')
    expect(() => checkGroup('group', 'a@@b')).toThrow('Invalid group')
    expect(() => checkLabel('cluster', 'a,b')).toThrow('Invalid cluster')
  })
})

import { describe, expect, test } from 'vitest'
import { checkGroup, checkLabel, type NacosConnectionOptions, resolveNacosConnectionOptions } from './index.ts'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveNacosConnectionOptions({}, 'nacos')).toEqual({
      name: 'nacos',
      servers: [{ secure: false, host: '127.0.0.1', port: 8_848 }],
      api: 'auto',
      grpcPortOffset: 1_000,
      grpcTls: false,
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
    ['grpcPortOffset', { grpcPortOffset: 0.5 }],
    ['grpcPortOffset', { grpcPortOffset: '1000' as never }],
    ['grpcTls', { grpcTls: 'yes' as never }],
    ['tls.ca', { grpcTls: true, tls: { ca: 'secret' } }],
    ['servers', { grpcTls: false, tls: { ca: '-----BEGIN ' } }],
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

  test('gRPC has TLS if HTTP has it, or if it is set', () => {
    const grpcTlsOf = (options: NacosConnectionOptions): boolean => resolveNacosConnectionOptions(options, 'nacos').grpcTls
    expect(grpcTlsOf({ servers: ['https://a'] })).toBe(true)
    expect(grpcTlsOf({ servers: ['https://a'], grpcTls: false })).toBe(false)
    expect(grpcTlsOf({ servers: ['a'], grpcTls: true })).toBe(true)
  })

  test('groups and labels are those that Nacos accepts', () => {
    expect(checkGroup('group', 'a.b:c-d_e')).toBe('a.b:c-d_e')
    expect(checkLabel('cluster', 'zone-a')).toBe('zone-a')
    expect(() => checkGroup('group', 'a@@b')).toThrow('Invalid group')
    expect(() => checkLabel('cluster', 'a,b')).toThrow('Invalid cluster')
  })
})

import { describe, expect, test } from 'vitest'
import { createNacosRegistry } from './index.ts'
import { fromNacosName, toNacosName } from './names.ts'
import { type NacosRegistryOptions, resolveNacosRegistryOptions } from './options.ts'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveNacosRegistryOptions({})).toMatchObject({
      servers: [{ secure: false, host: '127.0.0.1', port: 8_848 }],
      api: 'auto',
      namespace: 'public',
      group: 'DEFAULT_GROUP',
      cluster: 'DEFAULT',
      clusters: [],
      ttlMs: 15_000,
      refreshIntervalMs: 1_000,
      persistent: false,
      adminApi: false,
      operationTimeoutMs: 5_000,
      enabled: true,
      name: 'nacos',
    })
  })

  test.each<[string, object]>([
    ['servers', { servers: [] }],
    ['servers[0]', { servers: ['http://u:p@host'] }],
    ['servers', { servers: ['http://a', 'https://b'] }],
    ['servers', { tls: { ca: '-----BEGIN ' } }],
    ['api', { api: 'v2' }],
    ['namespace', { namespace: 'a b' }],
    ['group', { group: 'a@@b' }],
    ['cluster', { cluster: '' }],
    ['clusters', { clusters: 'a' }],
    ['clusters[1]', { clusters: ['a', 'b,c'] }],
    ['ttlMs', { ttlMs: 1 }],
    ['refreshIntervalMs', { refreshIntervalMs: 1 }],
    ['persistent', { persistent: 1 }],
    ['adminApi', { adminApi: 'yes' }],
    ['credentials.password', { credentials: { username: 'u', password: '' } }],
    ['tls.ca', { servers: ['https://a'], tls: { ca: 'x' } }],
    ['operationTimeoutMs', { operationTimeoutMs: 0 }],
    ['enabled', { enabled: null as never }],
    ['name', { name: '' }],
    ['pushPort', { pushPort: 1 }],
  ])('an error names an invalid %s', (field, options) => {
    const wrong = field === 'enabled' ? { enabled: 'no' } : options
    expect(() => resolveNacosRegistryOptions(wrong as NacosRegistryOptions)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  })

  test('determine capabilities', async () => {
    const capabilities = (options: NacosRegistryOptions): object => createNacosRegistry(options).capabilities
    expect(capabilities({})).toEqual({ register: true, watch: 'poll', listServices: true, ttl: true, conditionalRemove: false })
    expect(capabilities({ api: 'v3', persistent: true })).toMatchObject({ listServices: false, ttl: false })
    expect(capabilities({ api: 'v3', adminApi: true })).toMatchObject({ listServices: true })
  })
})

describe('names', () => {
  test.each(['orders', 'a/b', 'a@@b', '订单', '%s is decoded again', 'a~2fb', '-x', 'x'.repeat(255)])('%s comes back', (name) => {
    expect(toNacosName(name)).toMatch(/^[\w.:~-]+$/)
    expect(fromNacosName(`DEFAULT_GROUP@@${toNacosName(name)}`)).toBe(name)
    expect(fromNacosName(toNacosName(name))).toBe(name)
  })

  test('of Dubbo stay unchanged', () => {
    expect(toNacosName('providers:com.example.Api:1.0:')).toBe('providers:com.example.Api:1.0:')
  })
})

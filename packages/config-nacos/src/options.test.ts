import { describe, expect, test } from 'vitest'
import { createNacosConfigSource, type NacosConfigSourceOptions } from './index.ts'
import { resolveNacosConfigSourceOptions } from './options.ts'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveNacosConfigSourceOptions({ dataIds: ['app.yaml'] })).toMatchObject({
      servers: [{ secure: false, host: '127.0.0.1', port: 8_848 }],
      api: 'auto',
      namespace: 'public',
      places: [{ key: 'app.yaml', dataId: 'app.yaml', group: 'DEFAULT_GROUP', format: undefined }],
      refreshIntervalMs: 5_000,
      operationTimeoutMs: 5_000,
      name: 'config-nacos',
    })
  })

  test.each<[string, object]>([
    ['servers', { servers: [] }],
    ['dataIds', { dataIds: [] }],
    ['dataIds', { dataIds: 'app.yaml' }],
    ['dataIds', { dataIds: Array.from({ length: 65 }, (_, index) => `a${index}`) }],
    ['dataIds[0].dataId', { dataIds: ['a/b'] }],
    ['dataIds[1]', { dataIds: ['a', 1] }],
    ['dataIds[1]', { dataIds: ['a', { dataId: 'a' }] }],
    ['dataIds[0].group', { dataIds: [{ dataId: 'a', group: 'a@@b' }] }],
    ['dataIds[0].format', { dataIds: [{ dataId: 'a', format: 'xml' }] }],
    ['dataIds[0].type', { dataIds: [{ dataId: 'a', type: 'json' }] }],
    ['group', { group: '' }],
    ['refreshIntervalMs', { refreshIntervalMs: 1 }],
    ['encryption.decrypt', { encryption: {} }],
    ['encryption.encrypt', { encryption: { decrypt: () => '', encrypt: 'x' } }],
    ['encryption.key', { encryption: { decrypt: () => '', key: 'x' } }],
    ['name', { name: '' }],
    ['dataId', { dataId: 'a' }],
  ])('names a wrong %s', (field, wrong) => {
    const options = { dataIds: ['a'], ...wrong } as NacosConfigSourceOptions
    expect(() => resolveNacosConfigSourceOptions(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('determine the capabilities', () => {
    const watchOf = (api: 'auto' | 'v1' | 'v3'): string => createNacosConfigSource({ dataIds: ['a'], api }).capabilities.watch
    expect([watchOf('v1'), watchOf('v3'), watchOf('auto')]).toEqual(['push', 'poll', 'poll'])
  })
})

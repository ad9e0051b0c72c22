import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryConfigSource, type MemoryConfigSourceOptions } from '@sd/config'
import { createMemoryStore } from '@sd/config-history'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { findHistoryPlace, isSecretEntry } from './history-place.ts'
import {
  type ConfigSourceType,
  createConfigSource,
  createWritableConfigSource,
  openConfigHistory,
  parseConfigSourceUrl,
} from './index.ts'

test.each([
  ['memory:', { type: 'memory' }],
  ['consul://:token@h:8500/my/config', { type: 'consul', servers: ['h:8500'], token: 'token', prefix: 'my/config' }],
  ['consul://h?namespace=x&keys=a.yaml,b', { type: 'consul', servers: ['h'], prefix: 'x', keys: ['a.yaml', 'b'] }],
  [
    'etcd+tls://root:pw@a:1,b:2/orders?required=true',
    {
      type: 'etcd',
      servers: ['https://a:1', 'https://b:2'],
      credentials: { username: 'root', password: 'pw' },
      prefix: '/orders',
      required: true,
    },
  ],
  ['zookeeper://z1,z2/?namespace=apps', { type: 'zookeeper', servers: ['z1', 'z2'], prefix: '/apps' }],
  [
    'nacos://n:8848?namespace=dev&group=G&dataIds=a.yaml,b.json',
    { type: 'nacos', servers: ['n:8848'], namespace: 'dev', group: 'G', dataIds: ['a.yaml', 'b.json'] },
  ],
  [
    'kubernetes://shop?configMaps=orders,flags&secrets=db',
    { type: 'kubernetes', namespace: 'shop', configMaps: ['orders', 'flags'], secrets: ['db'] },
  ],
  ['file:orders.yaml', { type: 'file', path: 'orders.yaml' }],
  ['file:///etc/orders/?keys=a.yaml,b.yaml', { type: 'file', directory: '/etc/orders/', keys: ['a.yaml', 'b.yaml'] }],
  ['env:SD_?naming=camel&secrets=db/password', { type: 'env', prefix: 'SD_', naming: 'camel', secrets: ['db/password'] }],
  ['mine://h:1', { type: 'mine', servers: ['h:1'] }],
])('the URL %s', (url, config) => {
  expect(parseConfigSourceUrl(url)).toEqual(config)
})

describe('adapters of this project', () => {
  test.each([
    ['memory:', 'memory', true],
    ['consul://127.0.0.1:1', 'config-consul', true],
    ['etcd://127.0.0.1:1/orders', 'config-etcd', true],
    ['zookeeper://127.0.0.1:1', 'config-zookeeper', true],
    ['nacos://127.0.0.1:1?dataIds=a.yaml', 'config-nacos', true],
    ['file:orders.yaml', 'config-file', true],
    ['env:SD_', 'config-env', false],
  ])('%s is loaded', async (url, name, isWritable) => {
    await using source = await createConfigSource(url)
    expect(source.name).toBe(name)
    const writable = await createWritableConfigSource(url).catch((error: unknown) => error)
    if (isWritable) await (writable as typeof source).close()
    else expect(writable).toMatchObject({ code: 'SD_UNSUPPORTED', message: expect.stringContaining('config-env is read-only') })
  })

  test('a configuration is passed on, and an error names its invalid field', async () => {
    await using source = await createWritableConfigSource<MemoryConfigSourceOptions>({ type: 'memory', entries: { a: '1' } })
    await source.put('b', '2')
    expect((await source.load()).entries.map(({ key, content }) => `${key}=${content}`)).toEqual(['a=1', 'b=2'])
    await expect(createConfigSource('etcd://h:1/?format=xml')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'format' })
    await expect(createConfigSource('nacos://h:1')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'dataIds' })
    await expect(createConfigSource({ type: 'constructor' })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'type' })
    await expect(createConfigSource('memory:', { type: {} } as never)).rejects.toMatchObject({ field: 'type' })
    // @ts-expect-error: the option is called entries.
    await expect(createConfigSource<MemoryConfigSourceOptions>({ type: 'memory', texts: {} })).rejects.toMatchObject({
      field: 'texts',
    })
  })
})

test('a type of your own has a schema', async () => {
  const tape: ConfigSourceType<{ readonly label: string }> = {
    schema: z.strictObject({ label: z.string() }),
    create: ({ label }) => createMemoryConfigSource({ name: label }),
  }
  const types = { tape }
  await using source = await createConfigSource('tape:?label=mine', { types })
  expect(source.name).toBe('mine')
  await expect(createConfigSource('tape:?label=1', { types })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'label' })
  const history = { key: 'orders.json', author: 'ann', types }
  await expect(openConfigHistory('tape:?label=mine', history)).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
})

const wanted = 'want a URL such as consul://127.0.0.1:8500, or an object such as { type: "consul", servers: ["127.0.0.1:8500"] }'
test.each([
  [undefined, `Invalid source: got undefined, ${wanted}; is the environment variable set?`],
  ['', `Invalid source: got "an empty string", ${wanted}`],
  [createMemoryConfigSource(), `Invalid source: got "a configuration source instance", ${wanted}`],
  ['127.0.0.1:8500', 'want the type in front, such as consul://127.0.0.1:8500'],
  ['env://u:hidden@', 'this configuration source type does not take credentials'],
  [{}, 'Invalid type: got undefined, want one of consul, etcd'],
])('the error for %j says what to write', async (config, message) => {
  await expect(createConfigSource(config as never)).rejects.toMatchObject({
    code: 'SD_INVALID',
    message: expect.stringContaining(message),
  })
})

describe('the history of an entry', () => {
  test('of files is in a folder beside theirs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sd-center-'))
    await writeFile(join(folder, 'orders.yaml'), 'a: 1\n')
    const options = { key: 'orders.yaml', author: 'ann' }
    {
      await using opened = await openConfigHistory(`file:${folder}/`, options)
      expect((await opened.history.list({ sync: false })).length).toBe(0)
      await opened.history.put('a: 2\n')
    }
    await using again = await openConfigHistory({ type: 'file', path: join(folder, 'orders.yaml') }, options)
    const versions = await again.history.list()
    expect(versions.map(({ version, change, author }) => [version, change, author])).toEqual([
      [2, 'put', 'ann'],
      [1, 'external', undefined],
    ])
    const { entries } = await again.source.load()
    expect(entries.map(({ key, content }) => [key, content])).toEqual([['orders.yaml', 'a: 2\n']])
    await Promise.all([again.close(), again.close()])
    await expect(again.source.load()).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await Promise.all([rm(folder, { recursive: true }), rm(`${folder}-history`, { recursive: true })])
  })

  test('of a source in memory is in memory', async () => {
    await using opened = await openConfigHistory('memory:', { key: 'orders.json', author: 'ann' })
    await opened.history.put('{}', { comment: 'begin' })
    expect(await opened.history.list()).toMatchObject([{ version: 1, comment: 'begin' }])
  })

  test.each([
    ['nacos://h:1?dataIds=a.json', { code: 'SD_UNSUPPORTED', message: expect.stringContaining('pass a store') }],
    ['env:SD_', { code: 'SD_UNSUPPORTED' }],
    ['file:other.json', { code: 'SD_INVALID', field: 'key' }],
    ['file:', { code: 'SD_INVALID', field: 'directory' }],
    ['memory:?x=1', { code: 'SD_INVALID', field: 'x' }],
    ['none:', { code: 'SD_INVALID', field: 'type' }],
  ])('is refused for %s', async (url, error) => {
    await expect(openConfigHistory(url, { key: 'a.json', author: 'ann' })).rejects.toMatchObject(error)
  })

  test('of a secret entry shows no values, and the history of a Secret is in a Secret', async () => {
    const store = createMemoryStore()
    for (const secret of [true, false]) {
      const folder = await mkdtemp(join(tmpdir(), 'sd-center-'))
      await using opened = await openConfigHistory(
        { type: 'file', directory: folder, secret },
        { key: 'a', author: 'ann', store },
      )
      await opened.history.put('tiger')
      await opened.history.put('lion')
      const versions = await opened.history.list()
      const [after, before] = versions.map(({ version }) => version) as [number, number]
      const shown = `${await opened.history.diffText(before, after)}${JSON.stringify(await opened.history.diff(before, after))}`
      expect(shown.includes('tiger')).toBe(!secret)
      await rm(folder, { recursive: true })
    }
    const config = { type: 'kubernetes', namespace: 'shop', configMaps: ['orders'], secrets: ['db'], required: true }
    expect(findHistoryPlace(config, 'db/app.yaml')).toEqual({
      kind: 'source',
      config: { type: 'kubernetes', namespace: 'shop', secrets: ['db-history'] },
      key: 'db-history/app.yaml',
    })
    expect(() => findHistoryPlace(config, 'other/app.yaml')).toThrow('Invalid key: got "other/app.yaml"')
    expect([isSecretEntry(config, 'db/app.yaml'), isSecretEntry(config, 'orders/app.yaml')]).toEqual([true, false])
  })

  test('with invalid options closes its source', async () => {
    await expect(openConfigHistory('memory:', { key: 'a.json', author: '' })).rejects.toMatchObject({ field: 'author' })
  })
})

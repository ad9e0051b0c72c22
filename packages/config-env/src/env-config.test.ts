import { probeWatch } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createEnvConfigSource, type EnvConfigSourceOptions } from './index.ts'

async function load(options: EnvConfigSourceOptions): Promise<Readonly<Record<string, string>>> {
  await using source = createEnvConfigSource(options)
  const { entries } = await source.load()
  return Object.fromEntries(entries.map(({ key, content }) => [key, content]))
}

const env = { SD_DB__MAX_POOL_SIZE: '5', SD_url: 'http://a', SDX: 'x', PATH: '/bin' }

test.each<[EnvConfigSourceOptions, Readonly<Record<string, string>>]>([
  [{ prefix: 'SD_' }, { 'db/max_pool_size': '5', url: 'http://a' }],
  [
    { prefix: 'SD_', naming: 'camel' },
    { 'db/maxPoolSize': '5', url: 'http://a' },
  ],
  [
    { prefix: 'SD_', naming: 'keep' },
    { 'DB/MAX_POOL_SIZE': '5', url: 'http://a' },
  ],
  [{ prefix: 'SD_DB', separator: '_' }, {}],
  [{ prefix: 'SD_DB__', separator: '_' }, { 'max/pool/size': '5' }],
  [{ naming: (name) => ({ PATH: 'search/path' })[name] }, { 'search/path': '/bin' }],
  [{}, { 'sd_db/max_pool_size': '5', path: '/bin', sd_url: 'http://a', sdx: 'x' }],
])('%j', async (options, expected) => {
  expect(await load({ ...options, env })).toEqual(expected)
})

test('the environment of the process is the default', async () => {
  process.env['SD_CONFIG_ENV_OWN'] = '1'
  onTestFinished(() => void delete process.env['SD_CONFIG_ENV_OWN'])
  expect(await load({ prefix: 'SD_CONFIG_ENV_' })).toEqual({ own: '1' })
})

test('a name that does not form a key is ignored', async () => {
  const names = { SD_: '', SD___A: '', SD_A__: '', 'SD_A/': '', 'SD_..': '', SD_GOOD: '1', [`SD_${'x'.repeat(256)}`]: '' }
  expect(await load({ prefix: 'SD_', env: names })).toEqual({ good: '1' })
  expect(await load({ separator: '.', env: { 'A.__PROTO__.B': '1' } })).toEqual({})
  expect(await load({ env: { GONE: undefined } })).toEqual({})
})

test('camel case keeps outer underscores and digits', async () => {
  const names = { _A_B: '1', HTTP_2_PORT: '2', A___B: '3', A_: '4' }
  expect(await load({ naming: 'camel', separator: '.', env: names })).toEqual({ _aB: '1', http2Port: '2', aB: '3', a_: '4' })
})

test('two variables with one key are an error with their names, without their values', async () => {
  const source = createEnvConfigSource({ env: { PORT: 'hidden1', port: 'hidden2' } })
  await expect(source.load()).rejects.toMatchObject({
    code: 'SD_INVALID',
    field: 'env',
    message: 'config-env: the variables PORT and port both have the key port: remove one of them',
  })
  await expect(probeWatch((options) => source.watch(options), 5_000).ended).rejects.toMatchObject({ code: 'SD_INVALID' })
})

test('with a refresh interval, a duplicate makes a watch stale until it is removed', async () => {
  const changing: Record<string, string> = { PORT: '1' }
  await using source = createEnvConfigSource({ env: changing, refreshIntervalMs: 10 })
  const probe = probeWatch((options) => source.watch(options), 10_000)
  await probe.until(({ entries }) => expect(entries[0]?.content).toBe('1'))
  changing['port'] = '2'
  await probe.untilStale(true)
  expect(probe.seen.at(-1)?.value?.entries[0]?.content).toBe('1')
  delete changing['PORT']
  await probe.until(({ entries }) => expect(entries[0]?.content).toBe('2'))
  await probe.untilStale(false)
})

test('without an interval a watch yields once and then waits', async () => {
  const changing: Record<string, string> = { PORT: '1' }
  await using source = createEnvConfigSource({ env: changing })
  const iterator = source.watch()[Symbol.asyncIterator]()
  expect((await iterator.next()).value.value.entries).toMatchObject([{ key: 'port', content: '1' }])
  changing['PORT'] = '2'
  const next = iterator.next()
  expect((await source.load()).entries).toMatchObject([{ key: 'port', content: '2' }])
  await source.close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test('secret keys are marked, with everything below them', async () => {
  const names = { DB__USER: 'a', DB__USERS: 'b', DB__USER__NAME: 'c' }
  await using source = createEnvConfigSource({ env: names, secrets: ['db/user'] })
  const { entries } = await source.load()
  expect(entries.map(({ key, isSecret }) => [key, isSecret])).toEqual([
    ['db/user', true],
    ['db/user/name', true],
    ['db/users', undefined],
  ])
})

test('options and results of a naming function are validated', async () => {
  for (const [field, bad] of Object.entries({
    prefix: 1,
    separator: '',
    naming: 'snake',
    secrets: 'a',
    env: 'A=1',
    refreshIntervalMs: 0,
    name: '',
    keys: ['a'],
  })) {
    expect(() => createEnvConfigSource({ [field]: bad }), field).toThrow(`Invalid ${field}`)
  }
  expect(() => createEnvConfigSource({ secrets: ['/a'] })).toThrow('Invalid secrets[0]')
  const source = createEnvConfigSource({ env: { A: '1' }, naming: () => '/a' })
  await expect(source.load()).rejects.toThrow('Invalid naming("A"): got "/a", want a key')
})

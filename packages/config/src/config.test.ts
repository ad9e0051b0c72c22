import { collectStates, SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { type ConfigOptions, type ConfigReport, createConfig, createMemoryConfigSource, isConfigError } from './index.ts'
import { follow, memory, open, soon } from './testing/open-config.ts'

const schema = z.object({
  db: z.object({ url: z.string(), pool: z.object({ size: z.number().int() }) }),
  on: z.boolean().optional(),
})

describe('reading', () => {
  test('sources override earlier ones and the defaults', async () => {
    const file = memory('file', { 'app.yaml': 'db:\n  url: postgres://file\n  pool:\n    size: 1\n' })
    const environment = memory('env', { 'db/pool/size': '5', on: 'true' })
    const config = await open({ schema, defaults: { db: { url: 'none' } }, sources: [file, environment] })
    expect(config.current).toEqual({ db: { url: 'postgres://file', pool: { size: 5 } }, on: true })
    expect(config.get('db.pool.size')).toBe(5)
    expect(config.get('db.pool')).toBe(config.current.db.pool)
    expect([config.has('on'), config.require('db.url'), config.version]).toEqual([true, 'postgres://file', 1])
  })

  test('a missing value is undefined, and require throws', async () => {
    const config = await open({ sources: [memory('file', { 'app.json': '{"a":{"b":null}}' })] })
    expect([config.get('a.x'), config.get('a.b'), config.get('a.b.c'), config.get('a.constructor')]).toEqual([
      undefined,
      null,
      undefined,
      undefined,
    ])
    expect([config.has('a.b'), config.has('a.x')]).toEqual([true, false])
    expect(() => config.require('a.b')).toThrow(expect.objectContaining({ code: 'SD_NOT_FOUND', field: 'a.b' }))
    for (const path of ['', 'a..b', '.a', '__proto__.x']) expect(() => config.get(path)).toThrow('Invalid path')
  })

  test('values are frozen, and unchanged ones keep their identity', async () => {
    const source = memory('file', { 'app.json': '{"a":{"list":[1,{"x":1}]},"b":1}' })
    const config = await open({ sources: [source] })
    const before = config.current as { a: { list: object[] } }
    expect([before, before.a, before.a.list, before.a.list[1]].every(Object.isFrozen)).toBe(true)
    await source.put('app.json', '{"a":{"list":[1,{"x":1}]},"b":2}')
    await soon(() => expect(config.get('b')).toBe(2))
    expect(config.get('a')).toBe(before.a)
    expect(config.version).toBe(2)
  })

  test('a source can be placed under a path, read in another format, and in part', async () => {
    const source = memory('tree', { one: 'size: 5', 'two.yaml': 'x: 1', three: '{' })
    const config = await open({ sources: [{ source, at: 'db.pool', format: 'yaml', keys: ['one'] }] })
    expect(config.current).toEqual({ db: { pool: { size: 5 } } })
    const some = await open({ sources: [{ source, keys: (key) => key.startsWith('two') }] })
    expect(some.current).toEqual({ x: 1 })
  })

  test('untyped keys adopt the spelling of lower sources', async () => {
    const sources = [
      memory('file', { 'app.yaml': 'db: { poolSize: 1, max-wait: 1 }' }),
      memory('env', { 'db/pool_size': '5', 'DB/MAXWAIT': '2' }),
    ]
    const config = await open({ sources })
    expect(config.current).toEqual({ db: { poolSize: 5, 'max-wait': 2 } })
    const exact = await open({ sources: [sources[0] as never, { source: sources[1] as never, relaxed: false }] })
    expect(exact.current).toEqual({ db: { poolSize: 1, 'max-wait': 1, pool_size: 5 }, DB: { MAXWAIT: 2 } })
  })

  test('overlays of active profiles override the entries without a profile', async () => {
    const entries = {
      'app-dev.yaml': 'a: dev',
      'app-prod.yaml': 'a: prod\nb: prod',
      'app-eu-prod.yaml': 'b: eu',
      'app.yaml': 'a: 0\nb: 0\nc: 0',
    }
    const sources = [memory('file', entries)]
    const read = async (profiles: ConfigOptions['profiles'] & object) => (await open({ sources, profiles })).current
    expect(await read({ active: [] })).toEqual({ a: 0, b: 0, c: 0 })
    expect(await read({ active: ['prod'], known: ['dev', 'eu-prod'] })).toEqual({ a: 'prod', b: 'prod', c: 0 })
    expect(await read({ active: ['prod', 'eu-prod'] })).toEqual({ a: 'prod', b: 'eu', c: 0 })
    expect(await read({ active: ['dev'] })).toEqual({ a: 'dev', b: 0, c: 0 })
  })
})

describe('updates', () => {
  test('listeners receive the old and new value of their path only', async () => {
    const source = memory('file', { 'app.json': '{"db":{"url":"a"},"x":1}' })
    const config = await open({ sources: [source] })
    const received: unknown[] = []
    const stop = config.onChange('db', ({ previous, value, version }) =>
      received.push([previous, value, version, config.get('db')]),
    )
    config.onChange('x.y', () => received.push('never'))
    await source.put('app.json', '{"db":{"url":"a"},"x":2}')
    await soon(() => expect(config.get('x')).toBe(2))
    await source.put('app.json', '{"db":{"url":"b"},"x":2}')
    await soon(() => expect(received).toEqual([[{ url: 'a' }, { url: 'b' }, 3, { url: 'b' }]]))
    stop()
    await config.set('db.url', 'c')
    expect(received).toHaveLength(1)
  })

  test('an exception of a listener is reported, and does not affect the others', async () => {
    const { reports, onReport } = follow()
    const config = await open({ sources: [], onReport })
    const received = vi.fn()
    config.onChange('a', () => {
      throw new Error('bug')
    })
    config.onChange('a', received)
    await config.set('a', 1)
    expect(received).toHaveBeenCalledWith({ previous: undefined, value: 1, version: 2 })
    expect(reports.map((report) => report.kind === 'error' && report.error)).toMatchObject([
      false,
      { code: 'SD_LISTENER_FAILED', message: 'listener on a: bug' },
      false,
    ])
  })

  test('a slow consumer of changes receives one step to the latest version', async () => {
    const config = await open({ sources: [], defaults: { a: 0, b: 0 } })
    const changes = config.changes()[Symbol.asyncIterator]()
    await config.set('a', 1)
    await config.set('a', 2)
    expect((await changes.next()).value).toEqual({ previous: { a: 0, b: 0 }, value: { a: 2, b: 0 }, version: 3, changed: ['a'] })
    const waiting = changes.next()
    await config.set('b', 1)
    expect((await waiting).value).toMatchObject({ version: 4, changed: ['b'] })
    const last = changes.next()
    await changes.return?.()
    expect(await last).toEqual({ done: true, value: undefined })
    const aborted = config.changes({ signal: AbortSignal.abort() })[Symbol.asyncIterator]()
    expect(await aborted.next()).toEqual({ done: true, value: undefined })
    const iteration = config.changes()[Symbol.asyncIterator]().next()
    await config.close()
    expect(await iteration).toEqual({ done: true, value: undefined })
  })

  test('a burst is one version', async () => {
    const source = memory('file', { a: '0' })
    const config = await open({ sources: [source], coalesceMs: 30 })
    for (let n = 1; n <= 50; n++) await source.put('a', String(n))
    await soon(() => expect(config.get('a')).toBe(50))
    expect(config.version).toBeLessThan(10)
  })

  test('a change without a different value does not create a version', async () => {
    const source = memory('file', { 'app.json': '{"a":1}' })
    const config = await open({ sources: [source] })
    const listener = vi.fn()
    config.onChange('a', listener)
    await source.put('app.json', '{ "a": 1 }')
    await config.reload()
    expect([config.version, listener.mock.calls.length]).toEqual([1, 0])
  })

  test('overrides win, are validated, and can be removed', async () => {
    const source = memory('file', { 'app.yaml': 'db: { url: a, pool: { size: 1 } }' })
    const config = await open({ schema, sources: [source] })
    await config.set('db.pool.size', 7)
    await config.set('db.url', 'b')
    expect(config.current.db).toEqual({ url: 'b', pool: { size: 7 } })
    const refused = config.set('db.pool.size', 'many' as never)
    await expect(refused).rejects.toMatchObject({
      code: 'SD_INVALID',
      field: 'db.pool.size',
      failures: [{ source: 'overrides', field: 'db.pool.size' }],
    })
    expect(config.get('db.pool.size')).toBe(7)
    await config.unset('db.pool')
    await config.unset('db.url.x' as never)
    expect(config.current.db).toEqual({ url: 'b', pool: { size: 1 } })
    await config.unset('db')
    expect(config.current.db).toEqual({ url: 'a', pool: { size: 1 } })
    await expect(config.set('on', (() => 1) as never)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'value' })
  })
})

describe('an observer', () => {
  test('receives updates, rejections and state over telemetry, without values', async () => {
    const events: TelemetryEvents['sd:v1:config:update'][] = []
    onTestFinished(subscribeTelemetry('sd:v1:config:update', (event) => void events.push(event)))
    const source = memory('file', { 'app.json': '{"a":1,"b":{"c":1}}' })
    const config = await open({ name: 'orders', sources: [source] })
    await config.set('b.c', 's3cret')
    await source.put('app.json', '{')
    await soon(() => expect(events).toHaveLength(3))
    expect(events.map(({ version, changed, error }) => [version, changed, error?.code])).toEqual([
      [1, ['a', 'b.c'], undefined],
      [2, ['b.c'], undefined],
      [2, [], 'SD_MALFORMED'],
    ])
    expect(JSON.stringify(events)).not.toContain('s3cret')
    source.setConnected(false)
    await soon(() => {
      expect(collectStates().filter(({ kind }) => kind === 'config')).toEqual([
        {
          kind: 'config',
          config: 'orders',
          version: 2,
          updatedAt: expect.any(Number),
          staleSources: ['file'],
          refusedSources: ['file'],
          degradedForMs: expect.any(Number),
          digest: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ])
    })
    await config.close()
    expect(collectStates().filter(({ kind }) => kind === 'config')).toEqual([])
  })

  test('may throw', async () => {
    const onReport = (): void => {
      throw new Error('bug')
    }
    const config = await open({ sources: [], onReport })
    await config.set('a', 1)
    expect(config.get('a')).toBe(1)
  })
})

test('closing is idempotent; the last values stay readable, and the source stays open', async () => {
  const source = memory('file', { a: '1' })
  await using config = await createConfig({ sources: [source] })
  await config.close()
  await config.close()
  expect(config.get('a')).toBe(1)
  expect((await source.load()).entries).toHaveLength(1)
})

test('errors can be told apart', async () => {
  const error = await createConfig({ sources: [createMemoryConfigSource({ entries: { 'a.json': '{' } })] }).catch(
    (caught: unknown) => caught,
  )
  expect([isConfigError(error), isConfigError(new SdError('SD_INVALID', 'x')), isConfigError(1)]).toEqual([true, false, false])
})

test('reports come in order', async () => {
  const reports: ConfigReport[] = []
  const source = memory('file', { 'a.json': '{"a":1}' })
  const config = await open({ sources: [source], onReport: (report) => void reports.push(report) })
  await source.put('a.json', '{"a":')
  await soon(() => expect(config.status().refused).toHaveLength(1))
  source.setConnected(false)
  await soon(() => expect(config.status().stale).toHaveLength(1))
  source.setConnected(true)
  await soon(() => expect(config.status().stale).toHaveLength(0))
  await source.put('a.json', '{"a":2}')
  await soon(() => expect(config.get('a')).toBe(2))
  expect(reports.map(({ kind }) => kind)).toEqual(['updated', 'refused', 'stale', 'recovered', 'recovered', 'updated'])
})

describe('text entries', () => {
  test.each<[Record<string, string>, string]>([
    [{ db: '1', 'db/url': 'x' }, 'memory db/url: lies within db, which is a value'],
    [{ 'a/b': '1', 'A/b/c/d': 'x' }, 'lies within a/b, which is a value'],
    [{ 'db/poolSize': '1', 'db/pool-size': '2' }, 'is db/poolSize in another spelling'],
  ])('%j are refused', async (texts, message) => {
    const failing = createConfig({ sources: [createMemoryConfigSource({ entries: texts })] })
    await expect(failing).rejects.toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining(message) })
  })

  test('are separate if their spelling is not relaxed', async () => {
    const source = memory('tree', { 'db/poolSize': '1', 'db/pool-size': '2' })
    const config = await open({ sources: [{ source, relaxed: false }] })
    expect(config.current).toEqual({ db: { poolSize: 1, 'pool-size': 2 } })
  })

  test('lose the newline after a single line, unless keepNewline is set', async () => {
    const [file, kept] = [memory('file', { a: 'x\n', key: '-----\nx\n' }), memory('kept', { b: 'x\n' })]
    const config = await open({ sources: [file, { source: kept, keepNewline: true }] })
    expect(config.current).toEqual({ a: 'x', key: '-----\nx\n', b: 'x\n' })
  })
})

test('a long text is parsed in a worker, which ends at the time limit of an update', async () => {
  const long = (count: number): string => Array.from({ length: count }, (_, index) => `k${index}: v`).join('\n')
  const source = memory('file', { 'app.yaml': long(10_000) })
  const config = await open({ sources: [source] })
  expect(config.explain('k9999')).toMatchObject({ value: 'v', line: 10_000 })
  const slow = open({ sources: [memory('slow', { 'app.yaml': long(60_000) })], updateTimeoutMs: 5 })
  await expect(slow).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
})

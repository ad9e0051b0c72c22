import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConfigDocument, type ConfigSource, SdError, type Watched } from '@sd/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { createMemoryConfigSource, createMemoryConfigStore } from './index.ts'
import { follow, memory, open, soon } from './testing/open-config.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sd-config-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

test('10,000 concurrent reads during 1,000 updates: none mixes versions', async () => {
  const write = (n: number): string => JSON.stringify({ a: n, b: { c: n, list: [n] } })
  const source = memory('file', { 'app.json': write(0) })
  const config = await open({
    sources: [source],
    coalesceMs: 0,
    schema: z.object({ a: z.number(), b: z.object({ c: z.number(), list: z.array(z.number()) }) }).refine(async () => true),
  })
  let updates = 0
  config.onChange('a', () => void updates++)
  const versions = new Set<number>()
  async function read(delay: number): Promise<void> {
    for (let step = 0; step < delay; step++) await undefined
    const { current, version } = config
    const { a, b } = current
    const seen = [a, b.c, b.list[0], config.get('a'), config.get('b.c'), config.get('b').list[0]]
    expect(new Set(seen).size).toBe(1)
    versions.add(version)
    await Promise.resolve()
    // A value that was read does not change later.
    expect([current.a, current.b.c]).toEqual([a, a])
  }
  const reads: Promise<void>[] = []
  for (let n = 1; n <= 1_000; n++) {
    await source.put('app.json', write(n))
    await config.reload()
    for (let i = 0; i < 10; i++) reads.push(read(i))
  }
  await Promise.all(reads)
  expect([updates, config.version]).toEqual([1_000, 1_001])
  expect(versions.size).toBeGreaterThan(500)
})

describe('rejected content keeps the last valid configuration', () => {
  const schema = z.object({ size: z.number(), url: z.string() })
  const good = { 'a.yaml': 'size: 1\nurl: x\n' }
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: placeholders are written so.
  test.each<[string, string, object]>([
    ['a text that is not valid YAML', 'size: 2\nurl: ]', { key: 'a.yaml', line: 2 }],
    ['a value that the schema rejects', 'url: y\nsize: many\n', { key: 'a.yaml', line: 2, field: 'size' }],
    ['a placeholder without a value', 'size: 2\nurl: ${nowhere}\n', { key: 'a.yaml', line: 2, field: 'url' }],
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: see above.
    ['a value that cannot be decrypted', 'size: 2\nurl: ENC[k1:broken]\n', { key: 'a.yaml', line: 2, field: 'url' }],
    ['a key that reaches a prototype', '__proto__: { size: 3 }\nsize: 2\nurl: x\n', { key: 'a.yaml' }],
  ])('%s', async (_, content, failure) => {
    const source = memory('center', good)
    const { reports, onReport } = follow()
    const decrypt = (): string => {
      throw new SdError('SD_DENIED', 'wrong key')
    }
    const config = await open({ schema, sources: [source], onReport, decrypt })
    await source.put('a.yaml', content)
    await soon(() => expect(config.status().refused).toHaveLength(1))
    expect(config.current).toEqual({ size: 1, url: 'x' })
    expect(config.status().refused[0]).toMatchObject({
      source: 'center',
      since: expect.any(Number),
      failures: [{ source: 'center', ...failure }],
    })
    expect(reports.at(-1)).toMatchObject({ kind: 'refused', source: 'center', error: { failures: [failure] } })
    await expect(config.reload()).rejects.toMatchObject({ failures: [failure] })
    expect(reports.filter(({ kind }) => kind === 'refused')).toHaveLength(1)

    await source.put('a.yaml', 'size: 3\nurl: z\n')
    await soon(() => expect(config.current).toEqual({ size: 3, url: 'z' }))
    expect(config.status().refused).toEqual([])
    expect(reports.slice(-2)).toMatchObject([
      { kind: 'recovered', source: 'center' },
      { kind: 'updated', changed: ['size', 'url'] },
    ])
  })

  test('of that source, while other sources take effect', async () => {
    const [bad, well, late] = [memory('bad', good), memory('well'), memory('late', { url: 'late' })]
    const config = await open({ schema, sources: [bad, well, late] })
    await bad.put('a.yaml', 'size: 9\nurl: ]\n')
    await soon(() => expect(config.status().refused).toHaveLength(1))
    await well.put('size', '2')
    await soon(() => expect(config.current.size).toBe(2))
    await Promise.all([well.put('size', '3'), late.put('size', 'much'), late.put('url', 'x')])
    await soon(() => expect(config.current.size).toBe(3))
    await soon(() => expect(config.status().refused.map(({ source }) => source)).toEqual(['bad', 'late']))
    expect(config.current.url).toBe('late')
    await config.set('size', 4)
    expect(config.current.size).toBe(4)
  })

  test('content that depends on a change of another source takes effect with it', async () => {
    const [a, b] = [memory('a', { x: '1' }), memory('b', { y: '1' })]
    const both = z.object({ x: z.number(), y: z.number() }).refine(({ x, y }) => x === y)
    const config = await open({ schema: both, sources: [a, b] })
    await a.put('x', '2')
    await soon(() => expect(config.status().refused).toHaveLength(1))
    await b.put('y', '2')
    await soon(() => expect(config.current).toEqual({ x: 2, y: 2 }))
    expect(config.status().refused).toEqual([])
  })

  test('until it is reverted', async () => {
    const source = memory('center', good)
    const config = await open({ schema, sources: [source] })
    await source.delete('a.yaml')
    await soon(() => expect(config.status().refused[0]?.failures).toHaveLength(2))
    await source.put('a.yaml', good['a.yaml'])
    await soon(() => expect(config.status().refused).toEqual([]))
    expect(config.version).toBe(1)
  })

  test('until a key service responds to a retry', async () => {
    let isUnreachable = false
    const decrypt = vi.fn(async (text: string) => {
      if (isUnreachable) throw new SdError('SD_UNAVAILABLE', 'no key service')
      return text.slice(4, -1)
    })
    const [source, other] = [memory('center', { a: 'ENC[1]' }), memory('other', { b: '1' })]
    const config = await open({ sources: [source, other], decrypt })
    isUnreachable = true
    await source.put('a', 'ENC[2]')
    await soon(() => expect(config.status().refused[0]?.failures[0]?.message).toContain('no key service'))
    await other.put('b', '2')
    await soon(() => expect(config.get('b')).toBe(2))
    isUnreachable = false
    await soon(() => expect(config.get('a')).toBe(2))
  })
})

test('closing waits for the update in progress', async () => {
  const source = memory('file', { 'app.json': '{"a":1}' })
  let isHanging = false
  const schema = z.object({ a: z.number() }).refine(() => !isHanging || new Promise<boolean>(() => undefined))
  const config = await open({ sources: [source], schema })
  isHanging = true
  let isSettled = false
  const reloading = config.reload().then(
    () => undefined,
    (error: unknown) => {
      isSettled = true
      return error
    },
  )
  await new Promise((resolve) => setTimeout(resolve, 20))
  await config.close()
  expect(isSettled).toBe(true)
  expect(await reloading).toMatchObject({ code: 'SD_ABORTED' })
})

test.each([
  ['on-failure', true, 'connected'],
  ['always', true, 'closed'],
  ['never', false, 'connected'],
] as const)('sources are closed %s', async (closeSources, isClosedOnFailure, afterwards) => {
  const good = memory('good', { a: '1' })
  const bad = memory('bad', { 'b.json': '{' })
  await expect(open({ sources: [good, bad], closeSources })).rejects.toMatchObject({ code: 'SD_MALFORMED' })
  expect([good.state === 'closed', bad.state === 'closed']).toEqual([isClosedOnFailure, isClosedOnFailure])
  const other = memory('other', { a: '1' })
  const config = await open({ sources: [other], closeSources })
  await config.close()
  expect(other.state).toBe(afterwards)
})

test('a value that comes with staleness is not a recovery, and does not change its start', async () => {
  const [document] = await Promise.all([memory('center', { a: '1' }).load()])
  const steps: Watched<ConfigDocument>[] = [{ value: document }]
  let wake = (): void => undefined
  const source: ConfigSource = {
    ...memory('center'),
    name: 'center',
    watch: () => ({
      async *[Symbol.asyncIterator]() {
        for (;;) {
          for (let step = steps.shift(); step; step = steps.shift()) yield step
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      },
    }),
  }
  const { reports, onReport } = follow()
  const config = await open({ sources: [source], onReport })
  const stale = (since: number): Watched<ConfigDocument> => ({
    value: document,
    stale: { since, error: new SdError('SD_UNAVAILABLE', 'away') },
  })
  steps.push(stale(1))
  wake()
  await soon(() => expect(config.status().stale).toHaveLength(1))
  const [first] = config.status().stale
  await new Promise((resolve) => setTimeout(resolve, 5))
  steps.push(stale(2), stale(3))
  wake()
  await soon(() => expect(steps).toEqual([]))
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(config.status().stale).toEqual([first])
  expect(reports.map(({ kind }) => kind).filter((kind) => kind !== 'updated')).toEqual(['stale'])
})

describe('an unreachable source', () => {
  test('delays the start, which then fails with its name', async () => {
    const source = memory('center', { a: '1' })
    source.setConnected(false)
    await expect(open({ sources: [source], startTimeoutMs: 50, closeSources: 'never' })).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('center'),
    })
    setTimeout(() => source.setConnected(true), 50)
    expect((await open({ sources: [source] })).current).toEqual({ a: 1 })
  })

  test('does not fail the start if it is optional, and takes effect when it is reachable', async () => {
    const source = memory('center', { a: '1' })
    source.setConnected(false)
    const config = await open({ sources: [{ source, optional: true }], defaults: { a: 0 }, startTimeoutMs: 20 })
    expect(config.current).toEqual({ a: 0 })
    expect(config.status().stale).toMatchObject([{ source: 'center', isSnapshot: false, error: { code: 'SD_UNAVAILABLE' } }])
    source.setConnected(true)
    await soon(() => expect(config.current).toEqual({ a: 1 }))
    expect(config.status().stale).toEqual([])
  })

  test('that denies access fails a start at once, and is retried later', async () => {
    let denials = 2
    const memorySource = memory('center', { a: '1' })
    const source: ConfigSource = {
      ...memorySource,
      name: 'center',
      watch: (options) => ({
        [Symbol.asyncIterator]() {
          if (denials-- > 0) throw new SdError('SD_DENIED', 'no entry')
          return memorySource.watch(options)[Symbol.asyncIterator]()
        },
      }),
    }
    await expect(open({ sources: [source], closeSources: 'never' })).rejects.toMatchObject({ code: 'SD_DENIED' })
    const config = await open({ sources: [{ source, optional: true }] })
    expect(config.current).toEqual({})
    await soon(() => expect(config.current).toEqual({ a: 1 }))
  })

  test('that never responds limits the start, which can be aborted', async () => {
    const silent: ConfigSource = {
      ...memory('silent'),
      name: 'silent',
      watch: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    }
    await expect(open({ sources: [silent], startTimeoutMs: 20 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await expect(open({ sources: [silent], signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    const config = await open({ sources: [{ source: silent, optional: true }], startTimeoutMs: 20 })
    expect(config.status().stale[0]?.error.code).toBe('SD_TIMEOUT')
  })

  test('or a closed one keeps its last values', async () => {
    const source = memory('center', { a: '1' })
    const config = await open({ sources: [source] })
    await source.close()
    await soon(() => expect(config.status().stale[0]?.error.code).toBe('SD_CLOSED'))
    expect(config.current).toEqual({ a: 1 })
    await expect(config.reload()).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('can still be read, a start uses the snapshot, and recovery shows exactly the content of the server', async () => {
    const path = join(await folder(), 'nested', 'config.snapshot')
    const store = createMemoryConfigStore({ 'app.yaml': 'a: 1\nb: 1\n', secret: 'ENC[s3cret]' })
    const decrypt = (text: string): string => text.slice(4, -1)
    const options = { snapshot: { path, waitMs: 20 }, decrypt }
    const first = createMemoryConfigSource({ store, name: 'center' })
    const config = await open({ ...options, sources: [first] })
    await first.put('app.yaml', 'a: 2\nb: 2\n')
    await soon(() => expect(config.get('a')).toBe(2))

    first.setConnected(false)
    await soon(() => expect(config.status().stale).toMatchObject([{ source: 'center', isSnapshot: false }]))
    expect(config.current).toEqual({ a: 2, b: 2, secret: 's3cret' })
    await config.close()
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).not.toMatch(/[^[]s3cret/)
    expect(await readdir(join(path, '..'))).toEqual(['config.snapshot'])

    const second = createMemoryConfigSource({ store, name: 'center' })
    second.setConnected(false)
    const cold = await open({ ...options, sources: [second], defaults: { c: 0 } })
    expect(cold.current).toEqual({ a: 2, b: 2, c: 0, secret: 's3cret' })
    expect(cold.status().stale).toMatchObject([{ source: 'center', isSnapshot: true, error: { code: 'SD_UNAVAILABLE' } }])

    store.put('app.yaml', 'b: 3\n')
    store.delete('secret')
    second.setConnected(true)
    await soon(() => expect(cold.current).toEqual({ b: 3, c: 0 }))
    expect(cold.status().stale).toEqual([])
  })

  test('whose content is rejected at a start is replaced by the snapshot too', async () => {
    const path = join(await folder(), 'config.snapshot')
    const store = createMemoryConfigStore({ 'app.yaml': 'a: 1' })
    const snapshot = { path }
    await (await open({ snapshot, sources: [createMemoryConfigSource({ store })] })).close()
    store.put('app.yaml', 'a: [')
    const config = await open({ snapshot, sources: [createMemoryConfigSource({ store })] })
    expect(config.current).toEqual({ a: 1 })
    expect(config.status()).toMatchObject({
      stale: [],
      refused: [{ source: 'memory', failures: [{ key: 'app.yaml', line: 1 }] }],
    })
    await rm(path)
    await expect(open({ snapshot, sources: [createMemoryConfigSource({ store })] })).rejects.toMatchObject({
      code: 'SD_MALFORMED',
    })
  })

  test('is not stored with snapshot: false, and a start then needs it', async () => {
    const path = join(await folder(), 'config.snapshot')
    const source = memory('env', { a: '1' })
    const sources = [{ source, snapshot: false }]
    await (await open({ snapshot: { path }, sources })).close()
    expect(await readFile(path, 'utf8')).not.toContain('env')
    source.setConnected(false)
    await expect(open({ snapshot: { path }, sources, startTimeoutMs: 20 })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })
})

describe('a snapshot', () => {
  test.each([
    ['damaged', (text: string) => text.replace('a: 1', 'a: 2')],
    ['of no lines', () => ''],
    ['of another version', () => 'sha256:5bbf8eb11b9b3d7e7e7a9a3c7d6d86e6c1fd9e1c\n{}'],
  ])('that is %s is reported and ignored', async (_, damage) => {
    const path = join(await folder(), 'config.snapshot')
    const source = memory('center', { 'app.yaml': 'a: 1' })
    await (await open({ snapshot: { path }, sources: [source] })).close()
    await writeFile(path, damage(await readFile(path, 'utf8')))
    const { reports, onReport } = follow()
    await open({ snapshot: { path }, sources: [source], onReport })
    expect(reports[0]).toMatchObject({ kind: 'error', error: { code: 'SD_MALFORMED' } })
  })

  test('that cannot be written is reported', async () => {
    const path = await folder()
    const { reports, onReport } = follow()
    await open({ snapshot: { path }, sources: [memory('center')], onReport })
    await soon(() => expect(reports.map((report) => report.kind === 'error' && report.error.code)).toContain('SD_UNAVAILABLE'))
    await chmod(path, 0o700)
  })
})

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SdError } from '@sd/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ConfigHistory, type ConfigHistoryOptions, createFileStore, createMemoryStore } from './index.ts'
import { createHashFunction, createRecord, genesisOf } from './record.ts'
import { setUp, summaryOf } from './testing/setup.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'history-'))
  path = join(folder, 'orders.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

/** A history in the file. */
function open(options: Partial<ConfigHistoryOptions> = {}): ConfigHistory {
  return setUp({ store: createFileStore({ path }), ...options }).history
}

async function linesOf(): Promise<string[]> {
  return (await readFile(path, 'utf8')).split('\n').slice(0, -1)
}

async function write(lines: readonly string[]): Promise<void> {
  await writeFile(path, lines.map((line) => `${line}\n`).join(''))
}

describe('verify', () => {
  test.each([
    ['plain', undefined],
    ['with a secret', 's3cret'],
  ])('finds any flipped byte: %s', async (_, secret) => {
    const options = secret === undefined ? { maxVersions: 3 } : { maxVersions: 3, secret }
    const history = open(options)
    for (const text of ['{"ü":"🔑\ufffd"}', '\\', '', 'd']) await history.put(text, { comment: 'so' })
    await history.rollback(3)
    const bytes = await readFile(path)
    expect(bytes.toString()).toContain('checkpoint')
    expect(await history.verify()).toMatchObject({ isValid: true })
    const place = fc.nat({ max: bytes.length - 1 })
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (index, mask) => {
        const changed = Buffer.from(bytes)
        changed[index] = (changed[index] ?? 0) ^ mask
        await writeFile(path, changed)
        const { isValid, problem } = await history.verify()
        expect(isValid).toBe(false)
        const line = bytes.subarray(0, index).toString('latin1').split('\n').length
        // A removed line end joins two lines; a changed checkpoint also shows at the first line.
        expect([1, line]).toContain(problem?.line)
      }),
      { numRuns: 500 },
    )
  })

  test('reports the place of missing, swapped, repeated and forged lines', async () => {
    const history = open()
    for (const text of ['1', '2', '3']) await history.put(text)
    const lines = await linesOf()
    const [a = '', b = '', c = '', d = '', e = ''] = lines
    const cases: [readonly string[], object][] = [
      [[b, c, d], { line: 1, sequence: 1 }],
      [[a, c, d], { line: 2, sequence: 2 }],
      [[a, b, d, c], { line: 3, sequence: 3 }],
      [[a, b, b, c], { line: 3, sequence: 3 }],
      [[a, b, c, '', d], { line: 4, sequence: 4 }],
      [[a, b, '{"sequence":3}', d], { line: 3, sequence: 3, reason: 'the line is not a record' }],
      [[a, b, c, d.replace('written', 'failed'), e], { line: 4, sequence: 4, reason: expect.stringContaining('hash') }],
    ]
    for (const [changed, problem] of cases) {
      await write(changed)
      expect(await history.verify()).toMatchObject({ isValid: false, problem })
      await expect(history.list()).rejects.toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining('broken') })
      await expect(history.put('4')).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    }
    await write(lines)
    expect(await history.verify()).toMatchObject({ isValid: true, records: 6 })
  })

  test('an anchor detects a truncated and a newly created chain', async () => {
    const history = open()
    await history.put('1')
    await history.put('2')
    const { head: anchor } = await history.verify()
    expect(anchor).toEqual({ sequence: 4, hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
    await history.put('3')
    expect(await history.verify({ anchor })).toMatchObject({ isValid: true })
    const lines = await linesOf()
    await write(lines.slice(0, 2))
    expect(await history.verify()).toMatchObject({ isValid: true })
    const cut = await history.verify({ anchor })
    expect(cut.problem).toMatchObject({ sequence: 4, reason: expect.stringContaining('missing') })
    await rm(path)
    const forged = open()
    for (const text of ['1', 'two', '3']) await forged.put(text)
    expect(await forged.verify()).toMatchObject({ isValid: true })
    const other = await forged.verify({ anchor })
    expect(other.problem).toMatchObject({ line: 4, sequence: 4, reason: expect.stringContaining('anchor') })
  })

  test('with a secret, no one else can write a valid chain', async () => {
    await open().put('1')
    expect(await open({ secret: 'a' }).verify()).toMatchObject({ isValid: false })
    await rm(path)
    await open({ secret: 'a' }).put('1')
    expect(await open({ secret: 'a' }).verify()).toMatchObject({ isValid: true })
    expect(await open({ secret: 'b' }).verify()).toMatchObject({ isValid: false, records: 0 })
    expect(await open().verify()).toMatchObject({ isValid: false })
  })

  test('the history of another key is invalid', async () => {
    await open().put('1')
    expect(await open({ key: 'other.json' }).verify()).toMatchObject({ problem: { line: 1, sequence: 1 } })
  })

  test('records of another format', async () => {
    const hash = createHashFunction(undefined)
    const history = open()
    const bodies = [
      null,
      {},
      { type: 'note' },
      { type: 'outcome', version: 1, state: 'pending' },
      { type: 'version', version: 0 },
    ]
    for (const body of [...bodies, { type: 'checkpoint', sequence: 1, hash: '', live: {} }]) {
      const link = { sequence: 1, previous: genesisOf(hash, 'orders.json'), timeMs: 1, body: body as never }
      await write([createRecord(hash, link).line])
      expect(await history.verify()).toMatchObject({ problem: { line: 1, reason: expect.stringContaining('format') } })
    }
  })
})

describe('limits', () => {
  test('the oldest versions are dropped, the chain stays valid, and numbers continue', async () => {
    const history = open({ maxVersions: 3 })
    const anchors = []
    for (let number = 1; number <= 10; number++) {
      expect((await history.put(String(number))).version).toBe(number)
      anchors.push((await history.verify()).head)
    }
    expect((await history.list()).map(({ version }) => version)).toEqual([10, 9, 8])
    await expect(history.get(7)).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
    expect(await history.verify({ anchor: anchors[8] ?? { sequence: 0, hash: '' } })).toMatchObject({ isValid: true })
    const dropped = await history.verify({ anchor: anchors[1] ?? { sequence: 0, hash: '' } })
    expect(dropped.problem?.reason).toContain('dropped')
    // Without the checkpoint, the dropped records are missing.
    const lines = await linesOf()
    await write(lines.slice(1))
    expect(await history.verify()).toMatchObject({ isValid: false, problem: { line: 1 } })
  })

  test('by size; the live version stays, regardless of the number of failed writes after it', async () => {
    const store = { ...createMemoryStore(), maxBytes: 5_000 }
    const { history, source, open: openMore } = setUp({ store })
    await history.put('live')
    const put = (): Promise<never> => Promise.reject(new TypeError('refused'))
    const broken = openMore({ source: { ...source, put } })
    for (let index = 0; index < 10; index++) await expect(broken.put('x'.repeat(500))).rejects.toThrow('refused')
    expect(Buffer.byteLength((await store.read({})).text)).toBeLessThanOrEqual(5_000)
    const list = await openMore().list()
    expect(summaryOf(list).at(-1)).toBe('1 put written live')
    expect(list[0]?.version).toBe(11)
    expect(await history.rollback(1)).toMatchObject({ version: 12, content: 'live' })
    await expect(history.put('x'.repeat(2_000))).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    expect(await history.verify()).toMatchObject({ isValid: true })
  })

  test('every version that fits can be confirmed, and replaced by one of the same size', async () => {
    const store = { ...createMemoryStore(), maxBytes: 5_000 }
    const { history } = setUp({ store })
    const codes = new Set<string>()
    for (let length = 1_000; length < 1_400; length += 10) {
      for (const text of ['x', 'y']) {
        const result = await history.put(text.repeat(length)).catch(({ code }: SdError) => code)
        codes.add(typeof result === 'string' ? result : result.state)
      }
      await history.put('')
    }
    expect([...codes]).toEqual(['written', 'SD_TOO_LARGE'])
  })
})

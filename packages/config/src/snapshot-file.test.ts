import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConfigDocument } from '@sd/adapter-kit'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createSnapshotFile, type StoredConfig } from './snapshot-file.ts'

let path: string
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sd-config-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  path = join(folder, 'below', 'config.snapshot')
})

function storedAt(savedAt: number): StoredConfig {
  const entry = { key: 'app.yaml', content: `at: ${savedAt}`, format: 'yaml', revision: String(savedAt) } as const
  return { savedAt, documents: [createConfigDocument('center', [entry])] }
}

const checksum = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

describe('a snapshot of a configuration', () => {
  test('is given back as it was saved, from a file and a folder of its owner', async () => {
    const file = createSnapshotFile(path)
    expect(await file.load()).toBeUndefined()
    await file.save(storedAt(1))
    const loaded = await file.load()
    expect([loaded?.savedAt, loaded?.documents.map(({ source, entries }) => [source, entries])]).toEqual([
      1,
      storedAt(1).documents.map(({ source, entries }) => [source, entries]),
    ])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
  })

  test('is the last of several that were saved at the same time, and later ones replace it', async () => {
    const file = createSnapshotFile(path)
    await Promise.all([1, 2, 3].map((at) => file.save(storedAt(at))))
    expect((await file.load())?.savedAt).toBe(3)
    await file.save(storedAt(4))
    expect((await file.load())?.savedAt).toBe(4)
    void file.save(storedAt(5))
    await file.flush()
    expect((await file.load())?.savedAt).toBe(5)
  })

  test('that can not be written or read is an error, leaves no incomplete file, and the next write succeeds', async () => {
    const file = createSnapshotFile(path)
    await mkdir(join(path, 'blocks the name'), { recursive: true })
    const failed = file.save(storedAt(1))
    await file.flush()
    await expect(failed).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('writing the snapshot'),
    })
    await expect(file.load()).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('reading the snapshot'),
    })
    expect(await readdir(join(path, '..'))).toEqual(['config.snapshot'])
    await rm(path, { recursive: true })
    await file.save(storedAt(2))
    expect((await file.load())?.savedAt).toBe(2)
  })

  test.each<[string, (text: string) => string, string]>([
    ['damaged', (text) => text.replace('at: 1', 'at: 2'), 'has a wrong checksum'],
    ['cut off', (text) => text.slice(0, -2), 'has a wrong checksum'],
    ['empty', () => '', 'has a wrong checksum'],
    ['without a line', (text) => text.replace('\n', ''), 'has a wrong checksum'],
  ])('that is %s is refused', async (_, change, message) => {
    const file = createSnapshotFile(path)
    await file.save(storedAt(1))
    await writeFile(path, change(await readFile(path, 'utf8')))
    await expect(file.load()).rejects.toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining(message) })
  })

  test.each([
    ['of another version', { version: 2, savedAt: 1, documents: [] }],
    ['with an unknown format', { version: 1, savedAt: 1, documents: [{ source: 'a', entries: [{ key: 'a', format: 'xml' }] }] }],
    ['without documents', { version: 1, savedAt: 1 }],
    ['that is not an object', 1],
  ])('%s is refused', async (_, content) => {
    const text = JSON.stringify(content)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, `${checksum(text)}\n${text}`)
    await expect(createSnapshotFile(path).load()).rejects.toMatchObject({
      code: 'SD_MALFORMED',
      message: expect.stringContaining('does not have format version 1'),
    })
  })
})

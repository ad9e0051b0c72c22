import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { followSource, makeFolder, openSource, swapVolume, textsOf } from './testing/files.ts'

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}

test('a new file is accessible only to its owner, an existing one keeps its mode, and no other file remains', async () => {
  const directory = await makeFolder()
  await writeFile(join(directory, 'old'), '1')
  await chmod(join(directory, 'old'), 0o664)
  const source = openSource({ directory })
  await source.put('old', '2')
  await source.put('db/url', '2')
  expect(await modeOf(join(directory, 'old'))).toBe(0o664)
  expect(await modeOf(join(directory, 'db/url'))).toBe(0o600)
  expect(await modeOf(join(directory, 'db'))).toBe(0o700)
  expect(await readdir(directory, { recursive: true })).toEqual(expect.arrayContaining(['db', 'db/url', 'old']))
  expect(await readdir(directory)).toHaveLength(2)
})

test('a reader during a write sees the complete old or new content', async () => {
  const directory = await makeFolder()
  const source = openSource({ directory })
  const [first, second] = ['a'.repeat(500_000), 'b'.repeat(500_000)]
  await source.put('a', first)
  let isOver = false
  const reading = (async () => {
    const seen = new Set<string>()
    while (!isOver) seen.add(await readFile(join(directory, 'a'), 'utf8'))
    return [...seen].filter((content) => content !== first && content !== second).length
  })()
  for (let round = 0; round < 10; round++) await source.put('a', round % 2 === 0 ? second : first)
  isOver = true
  expect(await reading).toBe(0)
})

test('of ten writes of one source with one revision exactly one succeeds', async () => {
  const source = openSource({ directory: await makeFolder() })
  const { revision } = await source.put('a', '0')
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, index) => source.put('a', `${index + 1}`, { ifRevision: revision })),
  )
  const lost = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.code)
  expect(lost).toEqual(Array(9).fill('SD_CONFLICT'))
})

test('a key can only lead to a file below the directory', async () => {
  const [directory, outside] = [await makeFolder(), await makeFolder()]
  await writeFile(join(outside, 'a'), 'kept')
  await symlink(outside, join(directory, 'folder'))
  await symlink(join(outside, 'a'), join(directory, 'file'))
  await mkdir(join(directory, 'db'))
  await writeFile(join(directory, 'plain'), 'kept')
  const source = openSource({ directory })
  for (const [key, code] of Object.entries({
    '../a': 'SD_INVALID',
    '/etc/passwd': 'SD_INVALID',
    '..\\a': 'SD_INVALID',
    'a\0b': 'SD_INVALID',
    'folder/a': 'SD_UNSUPPORTED',
    'folder/new': 'SD_UNSUPPORTED',
    'folder/new/deep': 'SD_UNSUPPORTED',
    file: 'SD_UNSUPPORTED',
    db: 'SD_CONFLICT',
    'plain/below': 'SD_CONFLICT',
    '.hidden': 'SD_INVALID',
    '.git/config': 'SD_INVALID',
    'backup~': 'SD_INVALID',
  })) {
    await expect(source.put(key, 'x'), key).rejects.toMatchObject({ code })
    if (key !== 'plain/below') await expect(source.delete(key), key).rejects.toMatchObject({ code })
  }
  expect(await readdir(outside)).toEqual(['a'])
  expect(textsOf(await source.load())).toEqual({ file: 'kept', 'folder/a': 'kept', plain: 'kept' })
})

test('a Kubernetes volume is not written to', async () => {
  const volume = await makeFolder()
  await swapVolume(volume, { 'a.yaml': '1' }, 1)
  await expect(openSource({ directory: volume }).put('a.yaml', '2')).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
})

test('only the keys that are read can be written', async () => {
  const directory = await makeFolder()
  const source = openSource({ path: join(directory, '.env'), optional: true })
  await source.put('.env', 'A=1')
  expect(textsOf(await source.load())).toEqual({ '.env': 'A=1' })
  await expect(source.put('other', 'x')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
  await source.delete('.env')
  expect(await readdir(directory)).toEqual([])
})

test('a missing directory is created if it is optional, otherwise an error', async () => {
  const directory = join(await makeFolder(), 'conf.d')
  await expect(openSource({ directory }).put('a', '1')).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  const source = openSource({ directory, optional: true })
  const probe = await followSource(source)
  await source.put('a', '1')
  await probe.until((document) => expect(textsOf(document)).toEqual({ a: '1' }))
})

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createFileConfigSource } from './index.ts'
import { followSource, makeFolder, openSource, textsOf } from './testing/files.ts'

/** File permissions don't apply to root: this process runs as an unprivileged user until the returned function is called. */
function dropPrivileges(): () => void {
  if (process.getuid?.() !== 0) return () => undefined
  const restorePrivileges = (): void => process.seteuid?.(0)
  onTestFinished(restorePrivileges)
  process.seteuid?.(65_534)
  return restorePrivileges
}

test('the key is the name below the directory, the format its extension', async () => {
  const directory = await makeFolder()
  await mkdir(join(directory, 'db/pool'), { recursive: true })
  for (const key of ['orders.yaml', 'a.json', 'db/pool/size', 'app.properties', 'prod.env'])
    await writeFile(join(directory, key), key)
  const { entries } = await openSource({ directory, secret: true }).load()
  expect(entries.map(({ key, format }) => [key, format])).toEqual([
    ['a.json', 'json'],
    ['app.properties', 'properties'],
    ['db/pool/size', 'text'],
    ['orders.yaml', 'yaml'],
    ['prod.env', 'env'],
  ])
  for (const { key, content, updatedAt, isSecret } of entries) {
    expect([content, isSecret]).toEqual([key, true])
    expect(Math.abs((updatedAt ?? 0) - Date.now())).toBeLessThan(600_000)
  }
})

test('hidden files, backups, dead links and what is not a regular file are passed over', async () => {
  const directory = await makeFolder()
  for (const name of ['.hidden', '.a.swp', 'a~', '#a#', 'a']) await writeFile(join(directory, name), 'x')
  await mkdir(join(directory, '.git'))
  await writeFile(join(directory, '.git/config'), 'x')
  await symlink('nowhere', join(directory, 'dead'))
  await symlink('.', join(directory, 'self'))
  const server = createServer().listen(join(directory, 'socket'))
  await once(server, 'listening')
  expect(textsOf(await openSource({ directory }).load())).toEqual({ a: 'x' })
  server.close()
})

test('links to files and folders are followed', async () => {
  const [directory, other] = [await makeFolder(), await makeFolder()]
  await writeFile(join(other, 'b'), 'x')
  await symlink(other, join(directory, 'linked'))
  await symlink(join(other, 'b'), join(directory, 'a'))
  expect(textsOf(await openSource({ directory }).load())).toEqual({ a: 'x', 'linked/b': 'x' })
})

test('keys select the files and their order, including hidden ones', async () => {
  const directory = await makeFolder()
  for (const name of ['b.yaml', 'a.yaml', '.env', 'other']) await writeFile(join(directory, name), 'x')
  const { entries } = await openSource({ directory, keys: ['b.yaml', '.env', 'a.yaml'], format: 'env' }).load()
  expect(entries.map(({ key, format }) => [key, format])).toEqual([
    ['b.yaml', 'env'],
    ['.env', 'env'],
    ['a.yaml', 'env'],
  ])
})

test('a missing file is an error that names it, or empty if it is optional', async () => {
  const directory = await makeFolder()
  await writeFile(join(directory, 'a'), 'x')
  const gone = join(directory, 'gone')
  const missing = { code: 'SD_NOT_FOUND', retryable: true, message: expect.stringContaining(gone) }
  for (const place of [{ path: gone }, { path: join(gone, 'a') }, { directory: gone }, { directory, keys: ['a', 'gone'] }]) {
    await expect(openSource(place).load(), JSON.stringify(place)).rejects.toMatchObject(missing)
    const { entries } = await openSource({ ...place, optional: true }).load()
    expect(entries.map(({ key }) => key)).toEqual('keys' in place ? ['a'] : [])
  }
})

test('a file that is too large, not UTF-8 or not regular is an error with its name, and a corrected one is read', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'a')
  await writeFile(path, 'good')
  const source = openSource({ directory })
  const probe = await followSource(source)
  await writeFile(path, Buffer.alloc(1_048_577, 'x'))
  await probe.untilStale(true)
  await expect(source.load()).rejects.toMatchObject({ code: 'SD_TOO_LARGE', message: expect.stringContaining(path) })
  await writeFile(path, Buffer.from([0xff, 0xfe]))
  await expect(source.load()).rejects.toMatchObject({ code: 'SD_MALFORMED', message: `config-file: ${path} is not valid UTF-8` })
  expect(textsOf(probe.seen.at(-1)?.value)).toEqual({ a: 'good' })
  await writeFile(path, 'mended')
  await probe.until((document) => expect(textsOf(document)).toEqual({ a: 'mended' }))
  await expect(openSource({ path: directory }).load()).rejects.toMatchObject({ code: 'SD_CONFLICT' })
  await expect(openSource({ directory: path }).load()).rejects.toMatchObject({ code: 'SD_CONFLICT' })
})

test('a directory with too many bytes or files is an error', async () => {
  const directory = await makeFolder()
  const largest = Buffer.alloc(1_048_576, 'x')
  for (let index = 0; index <= 64; index++) await writeFile(join(directory, `${index}`), largest)
  await expect(openSource({ directory }).load()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
  const many = await makeFolder()
  for (let index = 0; index <= 10_000; index++) writeFileSync(join(many, `${index}`), '')
  await expect(openSource({ directory: many }).load()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
})

test('a file without read permission is denied, and read once permission is granted', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'a')
  await writeFile(path, 'good')
  const source = openSource({ directory })
  const probe = await followSource(source)
  await chmod(path, 0)
  await chmod(directory, 0o555)
  const restorePrivileges = dropPrivileges()
  await probe.untilStale(true)
  expect(probe.seen.at(-1)).toMatchObject({ value: { entries: [{ content: 'good' }] }, stale: { error: { code: 'SD_DENIED' } } })
  await expect(source.load()).rejects.toMatchObject({ code: 'SD_DENIED', message: expect.stringContaining(path) })
  await expect(source.put('b', 'x')).rejects.toMatchObject({ code: 'SD_DENIED' })
  restorePrivileges()
  await chmod(directory, 0o700)
  await chmod(path, 0o600)
  await probe.untilStale(false)
})

test('a load that takes too long is aborted', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'a')
  await writeFile(path, 'x')
  const source = createFileConfigSource({ path, settleMs: 1_000, operationTimeoutMs: 20_000 })
  await expect(source.load({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'SD_ABORTED' })
  await source.close()
  await rm(path)
})

test('options are checked', () => {
  const refused: readonly [string, object][] = [
    ['directory', {}],
    ['directory', { path: 'a', directory: '.' }],
    ['keys', { path: 'a', keys: ['a'] }],
    ['keys', { directory: '.', keys: [] }],
    ['keys[1]', { directory: '.', keys: ['a', 'a'] }],
    ['keys[0]', { directory: '.', keys: ['../a'] }],
    ['keys[1]', { directory: '.', keys: ['a', '..\\a'] }],
    ['path', { path: '' }],
    ['path', { path: '/' }],
    ['path', { path: 'a\0b' }],
    ['directory', { directory: 1 }],
    ['optional', { path: 'a', optional: 1 }],
    ['secret', { path: 'a', secret: 1 }],
    ['format', { path: 'a', format: 'xml' }],
    ['settleMs', { path: 'a', settleMs: 0 }],
    ['pollIntervalMs', { path: 'a', pollIntervalMs: 0 }],
    ['operationTimeoutMs', { path: 'a', operationTimeoutMs: 999 }],
    ['name', { path: 'a', name: '' }],
    ['other', { path: 'a', other: 1 }],
  ]
  for (const [field, options] of refused) {
    expect(() => createFileConfigSource(options), JSON.stringify(options)).toThrow(`Invalid ${field}: `)
  }
})

import { appendFile, mkdir, open, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { followSource, makeFolder, openSource, swapVolume, textsOf } from './testing/files.ts'

test('repeated renames over the file are seen', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'app.json')
  await writeFile(path, '0')
  const probe = await followSource(openSource({ path }))
  for (let version = 1; version <= 5; version++) {
    await writeFile(join(directory, 'app.json.new'), `${version}`)
    await rename(join(directory, 'app.json.new'), path)
    await probe.until((document) => expect(textsOf(document)).toEqual({ 'app.json': `${version}` }))
  }
  expect(new Set(probe.seen.map(({ stale }) => stale))).toEqual(new Set([undefined]))
})

test('a file that is truncated, and written in two steps with a pause, is never seen half written', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'app.json')
  await writeFile(path, '{"a":1,"b":1}')
  const source = openSource({ directory, settleMs: 500, operationTimeoutMs: 20_000 })
  const probe = await followSource(source)
  await truncate(path)
  await delay(50)
  const loading = source.load()
  await appendFile(path, '{"a":2,')
  await delay(50)
  await appendFile(path, '"b":2}')
  await probe.until((document) => expect(textsOf(document)).toEqual({ 'app.json': '{"a":2,"b":2}' }))
  expect(textsOf(await loading)).toEqual({ 'app.json': '{"a":2,"b":2}' })
  expect(probe.seen.map(({ value }) => textsOf(value)['app.json'])).toEqual(['{"a":1,"b":1}', '{"a":2,"b":2}'])
})

test('a first load waits for a file that is being written', async () => {
  const directory = await makeFolder()
  await writeFile(join(directory, 'a'), 'half')
  const loading = openSource({ directory, settleMs: 500, operationTimeoutMs: 20_000 }).load()
  await delay(50)
  await appendFile(join(directory, 'a'), ' and half')
  expect(textsOf(await loading)).toEqual({ a: 'half and half' })
})

test('a file that never settles is read between two writes', async () => {
  const directory = await makeFolder()
  const file = await open(join(directory, 'log'), 'w')
  let isOver = false
  const writing = (async () => {
    for (let line = 0; !isOver; line++) {
      await file.write(`${line}\n`)
      await delay(15)
    }
  })()
  const { entries } = await openSource({ directory, settleMs: 30, operationTimeoutMs: 20_000 }).load()
  isOver = true
  await writing
  await file.close()
  expect(entries).toHaveLength(1)
})

test('a Kubernetes volume is swapped as a whole: no reader sees a mix of two versions', async () => {
  const volume = await makeFolder()
  const filesOf = (version: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`file-${index}.yaml`, `version: ${version}`]))
  await swapVolume(volume, filesOf(0), 0)
  const source = openSource({ directory: volume })
  const probe = await followSource(source)
  const seen: ReadonlySet<string>[] = []
  let isOver = false
  const reading = (async () => {
    while (!isOver) seen.push(new Set(Object.values(textsOf(await source.load()))))
  })()
  for (let version = 1; version <= 50; version++) await swapVolume(volume, filesOf(version), version)
  await probe.until((document) => expect(textsOf(document)).toEqual(filesOf(50)))
  isOver = true
  await reading
  for (const { value } of probe.seen) seen.push(new Set(Object.values(textsOf(value))))
  expect(seen.filter(({ size }) => size !== 1)).toEqual([])
})

test('a volume that loses and gains files is followed', async () => {
  const volume = await makeFolder()
  await swapVolume(volume, { 'a.yaml': '1', b: '1' }, 1)
  const probe = await followSource(openSource({ directory: volume }))
  await swapVolume(volume, { b: '2', 'c.yaml': '2' }, 2)
  await probe.until((document) => expect(textsOf(document)).toEqual({ b: '2', 'c.yaml': '2' }))
})

test('1,000 rapid writes end with the last, and are not reported one by one', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'app.json')
  await writeFile(path, '0')
  const probe = await followSource(openSource({ path }))
  for (let version = 1; version <= 1_000; version++) await writeFile(path, `${version}`)
  await probe.until((document) => expect(textsOf(document)).toEqual({ 'app.json': '1000' }))
  expect(probe.seen.length).toBeLessThan(100)
})

test('a deleted file makes the watch stale, with the last valid content, until it exists again', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'app.json')
  await writeFile(path, '1')
  const source = openSource({ path })
  const probe = await followSource(source)
  await unlink(path)
  await probe.untilStale(true)
  expect(probe.seen.at(-1)?.stale?.error).toMatchObject({ code: 'SD_NOT_FOUND', retryable: true })
  expect(textsOf(probe.seen.at(-1)?.value)).toEqual({ 'app.json': '1' })
  await expect(source.load()).rejects.toMatchObject({ code: 'SD_NOT_FOUND', message: expect.stringContaining(path) })
  await writeFile(path, '2')
  await probe.until((document) => expect(textsOf(document)).toEqual({ 'app.json': '2' }))
  await probe.untilStale(false)
})

test('an optional directory can be created, removed and created again', async () => {
  const directory = join(await makeFolder(), 'conf.d')
  const probe = await followSource(openSource({ directory, optional: true }))
  for (const version of ['1', '2']) {
    expect(probe.seen.at(-1)).toMatchObject({ value: { entries: [] } })
    await mkdir(join(directory, 'db'), { recursive: true })
    await writeFile(join(directory, 'db/url'), version)
    await probe.until((document) => expect(textsOf(document)).toEqual({ 'db/url': version }))
    await rm(directory, { recursive: true })
    await probe.until((document) => expect(textsOf(document)).toEqual({}))
  }
})

test('a directory that is a link is followed to its current target', async () => {
  const folder = await makeFolder()
  for (const release of ['1', '2']) {
    await mkdir(join(folder, release))
    await writeFile(join(folder, release, 'a'), release)
  }
  await symlink('1', join(folder, 'current'))
  const probe = await followSource(openSource({ directory: join(folder, 'current') }))
  // The watch has settled by now and needs an event.
  await delay(200)
  await symlink('2', join(folder, 'next'))
  await rename(join(folder, 'next'), join(folder, 'current'))
  await probe.until((document) => expect(textsOf(document)).toEqual({ a: '2' }))
  await writeFile(join(folder, '2/b'), 'new')
  await probe.until((document) => expect(textsOf(document)).toEqual({ a: '2', b: 'new' }))
})

test('a folder that is created later is watched too', async () => {
  const directory = await makeFolder()
  const probe = await followSource(openSource({ directory }))
  await mkdir(join(directory, 'db/pool'), { recursive: true })
  await writeFile(join(directory, 'db/pool/size'), '1')
  await probe.until((document) => expect(textsOf(document)).toEqual({ 'db/pool/size': '1' }))
  await writeFile(join(directory, 'db/pool/size'), '2')
  await probe.until((document) => expect(textsOf(document)).toEqual({ 'db/pool/size': '2' }))
})

test('touching a file is not a change', async () => {
  const directory = await makeFolder()
  await writeFile(join(directory, 'a'), '1')
  await writeFile(join(directory, 'b'), '1')
  const probe = await followSource(openSource({ directory }))
  await writeFile(join(directory, 'a'), '1')
  await writeFile(join(directory, 'b'), '2')
  await probe.until((document) => expect(textsOf(document)).toEqual({ a: '1', b: '2' }))
  expect(probe.seen).toHaveLength(2)
  expect(probe.seen[1]?.value?.entries[0]).toBe(probe.seen[0]?.value?.entries[0])
})

test('a directory of 1,000 files is loaded and followed', async () => {
  const directory = await makeFolder()
  for (let index = 0; index < 1_000; index++) await writeFile(join(directory, `key-${index}`), `${index}`)
  const probe = await followSource(openSource({ directory, operationTimeoutMs: 20_000 }))
  const before = probe.seen[0]?.value?.entries ?? []
  expect(before).toHaveLength(1_000)
  await writeFile(join(directory, 'key-500'), 'changed')
  const after = await probe.until((document) => expect(textsOf(document)['key-500']).toBe('changed'))
  expect(after.entries.filter((entry) => !before.includes(entry))).toHaveLength(1)
})

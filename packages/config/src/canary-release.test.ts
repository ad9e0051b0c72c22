import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type CanaryInstance,
  type CanaryRelease,
  createCanaryRelease,
  createMemoryConfigSource,
  createMemoryConfigStore,
  type MemoryConfigStore,
  withCanaryRelease,
} from './index.ts'
import { open, soon } from './testing/open-config.ts'

const ids = Array.from({ length: 10_000 }, (_, n) => `orders-${n}`)

interface Bed {
  readonly store: MemoryConfigStore
  readonly release: CanaryRelease
  /** The text an instance sees. */
  readonly seenBy: (instance: CanaryInstance) => Promise<string | undefined>
}

function bed(texts: Record<string, string> = { 'app.yaml': 'v: 1' }): Bed {
  const store = createMemoryConfigStore(texts)
  const source = createMemoryConfigSource({ store })
  onTestFinished(() => source.close())
  return {
    store,
    release: createCanaryRelease({ source, key: 'app.yaml' }),
    async seenBy(instance) {
      const { entries } = await withCanaryRelease(source, { instance }).load()
      return entries.find(({ key }) => key === 'app.yaml')?.content
    },
  }
}

/** Those of the first instances that see the canary version. */
async function chosenIds({ seenBy }: Bed, count: number = 2_000): Promise<ReadonlySet<string>> {
  const seen = await Promise.all(ids.slice(0, count).map(async (id) => [id, await seenBy({ id })] as const))
  return new Set(seen.flatMap(([id, text]) => (text === 'v: 2' ? [id] : [])))
}

describe('a share', () => {
  test('is 10 ± 1 % of 10,000 instances, stable, and keeps its instances when it grows', async () => {
    const all = bed()
    // The id of a release decides which instances see it: with random ones, one of 1,200 is outside of these bounds.
    const id = vi.spyOn(crypto, 'randomUUID').mockReturnValue('2b1d6c1e-7d0b-4a8e-9a3f-5f0c8e4d7a11')
    await all.release.publish('v: 2', { rule: { share: 10 } })
    id.mockRestore()
    const first = await chosenIds(all, ids.length)
    expect(first.size).toBeGreaterThanOrEqual(900)
    expect(first.size).toBeLessThanOrEqual(1_100)
    const tenth = await chosenIds(all)
    expect([...tenth].every((one) => first.has(one))).toBe(true)
    expect(await chosenIds(all)).toEqual(tenth)
    await all.release.retarget({ share: 25 })
    const quarter = await chosenIds(all)
    expect([...tenth].every((one) => quarter.has(one))).toBe(true)
    expect(quarter.size / 2_000).toBeCloseTo(0.25, 1)
    await all.release.retarget({ share: 0 })
    expect((await chosenIds(all)).size).toBe(0)
    await all.release.retarget({ share: 100 })
    expect((await chosenIds(all)).size).toBe(2_000)
  })

  test('differs between releases', async () => {
    const [first, second] = [bed(), bed()]
    for (const { release } of [first, second]) await release.publish('v: 2', { rule: { share: 10 } })
    const [a, b] = [await chosenIds(first), await chosenIds(second)]
    // About 20.
    expect([...a].filter((id) => b.has(id)).length).toBeLessThan(60)
  })
})

test('a tag or an address selects instances too', async () => {
  const { release, seenBy } = bed()
  await release.publish('v: 2', { rule: { tags: ['canary'], addresses: ['10.0.0.7'] } })
  expect(await seenBy({ id: 'a', tags: ['x', 'canary'] })).toBe('v: 2')
  expect(await seenBy({ id: 'a', address: '10.0.0.7' })).toBe('v: 2')
  expect(await seenBy({ id: 'a', tags: ['x'], address: '10.0.0.8' })).toBe('v: 1')
})

describe('promote', () => {
  test('applies the version to all instances and removes the canary entry', async () => {
    const { release, seenBy, store } = bed()
    const version = await release.publish('v: 2', { rule: { share: 10 }, author: 'ada', comment: 'try' })
    expect(await release.current()).toEqual(version)
    expect(store.get('app.yaml.canary')).toMatchObject({ author: 'ada', comment: 'try' })
    const again = await bed().release
    await again.publish('v: 2', { rule: { share: 10 }, author: 'ada', comment: 'try' })
    await again.retarget({ share: 20 }, { author: 'eve' })
    expect(await again.promote()).toMatchObject({ content: 'v: 2', author: 'ada', comment: 'try' })
    expect(await release.promote({ author: 'bob' })).toMatchObject({ key: 'app.yaml', content: 'v: 2', author: 'bob' })
    expect(store.list().map(({ key, content }) => [key, content])).toEqual([['app.yaml', 'v: 2']])
    expect([await release.current(), await seenBy({ id: 'a' })]).toEqual([undefined, 'v: 2'])
    await expect(release.promote()).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  })

  test('does not overwrite a change made since publish', async () => {
    const { release, store } = bed()
    await release.publish('v: 2', { rule: { share: 10 } })
    store.put('app.yaml', 'v: 3')
    await expect(release.promote()).rejects.toMatchObject({ code: 'SD_CONFLICT' })
    expect(store.get('app.yaml')?.content).toBe('v: 3')
    await release.abort()
    await release.abort()
    expect(store.list()).toHaveLength(1)
  })

  test('can be repeated after a failure half way, and works for a new entry', async () => {
    const { release, store, seenBy } = bed({})
    await release.publish('v: 2', { rule: { share: 100 } })
    expect(await seenBy({ id: 'a' })).toBe('v: 2')
    store.put('app.yaml', 'v: 2')
    await release.promote()
    expect(store.list()).toMatchObject([{ key: 'app.yaml', revision: '2' }])
  })
})

test('an entry has at most one release at a time', async () => {
  const { release } = bed()
  await release.publish('v: 2', { rule: { share: 1 } })
  await expect(release.publish('v: 3', { rule: { share: 1 } })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
  await release.abort()
  await expect(release.retarget({ share: 2 })).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
})

test('retarget returns the version with the new rule; of two at the same time one is refused', async () => {
  const { release } = bed()
  const version = await release.publish('v: 2', { rule: { share: 1 } })
  expect(await release.retarget({ share: 2 })).toEqual({ ...version, rule: { share: 2 } })
  const both = await Promise.allSettled([release.retarget({ share: 3 }), release.retarget({ share: 4 })])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'SD_CONFLICT' } })
})

test('a damaged release applies to no instance, and the operator gets an error', async () => {
  const { release, seenBy } = bed({ 'app.yaml': 'v: 1', 'app.yaml.canary': '{"releaseId":1}' })
  expect(await seenBy({ id: 'a' })).toBe('v: 1')
  await expect(release.current()).rejects.toMatchObject({
    code: 'SD_MALFORMED',
    message: 'app.yaml.canary is not a canary release',
  })
})

test('wrapped sources follow it live, other sources ignore it', async () => {
  const store = createMemoryConfigStore({ 'app.yaml': 'v: 1' })
  const source = createMemoryConfigSource({ store })
  const release = createCanaryRelease({ source, key: 'app.yaml' })
  const chosen = await open({ sources: [withCanaryRelease(source, { instance: { id: 'a', tags: ['canary'] } })] })
  const plain = await open({ sources: [source] })
  await release.publish('v: 2', { rule: { tags: ['canary'] } })
  await soon(() => expect(chosen.current).toEqual({ v: 2 }))
  await plain.reload()
  expect(plain.current).toEqual({ v: 1 })
  await release.abort()
  await soon(() => expect(chosen.current).toEqual({ v: 1 }))
  await source.close()
})

test('invalid input is rejected', async () => {
  const source = createMemoryConfigSource()
  const field = (name: string): object => expect.objectContaining({ code: 'SD_INVALID', field: name })
  expect(() => createCanaryRelease({ source: {} as never, key: 'a' })).toThrow(field('source'))
  expect(() => createCanaryRelease({ source, key: '' })).toThrow(field('key'))
  expect(() => withCanaryRelease(source, { instance: { id: '' } })).toThrow(field('instance.id'))
  expect(() => withCanaryRelease(source, { instance: { id: 'a', tags: 'b' as never } })).toThrow(field('instance.tags'))
  expect(() => withCanaryRelease(source, { instance: { id: 'a', address: '' } })).toThrow(field('instance.address'))
  const release = createCanaryRelease({ source, key: 'a' })
  for (const [rule, name] of [
    [{}, 'rule'],
    [{ share: 101 }, 'rule.share'],
    [{ tags: [''] }, 'rule.tags[0]'],
    [{ percent: 1 }, 'rule.percent'],
  ] as const) {
    await expect(release.publish('x', { rule: rule as never })).rejects.toMatchObject({ code: 'SD_INVALID', field: name })
  }
})

test('each step is published, without the texts', async () => {
  const events: TelemetryEvents['sd:v1:config:write'][] = []
  onTestFinished(subscribeTelemetry('sd:v1:config:write', (event) => void events.push(event)))
  const { release, store } = bed()
  await release.publish('v: 2', { rule: { share: 10 }, author: 'ann', comment: 'try, with password=tiger' })
  await release.retarget({ share: 50 }, { author: 'bob' })
  await release.promote()
  const { releaseId } = await release.publish('v: 3', { rule: { share: 10 } })
  await release.abort({ comment: 'too slow' })
  await release.abort()
  store.put('app.yaml.canary', 'damaged', {})
  await release.abort()
  const first = events[0]?.releaseId
  const place = { source: 'memory', key: 'app.yaml' }
  expect(events).toEqual([
    { ...place, change: 'canary-publish', releaseId: first, author: 'ann', comment: 'try, with password=***' },
    { ...place, change: 'canary-retarget', releaseId: first, author: 'bob' },
    { ...place, change: 'canary-promote', releaseId: first, author: 'ann', comment: 'try, with password=***' },
    { ...place, change: 'canary-publish', releaseId },
    { ...place, change: 'canary-abort', releaseId, comment: 'too slow' },
    { ...place, change: 'canary-abort', releaseId: undefined },
  ])
  expect(JSON.stringify(events)).not.toMatch(/v: |tiger/)
})

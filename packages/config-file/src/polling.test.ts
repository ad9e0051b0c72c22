import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { followSource, makeFolder, openSource, textsOf } from './testing/files.ts'

const coarseNs = 2_000_000_000n

/** A worst-case file system: no events, and a clock with a resolution of two seconds. */
vi.mock('node:fs', async (load) => ({
  ...(await load<object>()),
  watch: () => {
    throw new Error('ENOSPC: System limit for number of file watchers reached')
  },
}))
vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof import('node:fs/promises')>()
  const stat = async (path: string): Promise<object> => {
    const stats = await real.stat(path, { bigint: true })
    for (const field of ['mtimeNs', 'ctimeNs'] as const) stats[field] -= stats[field] % coarseNs
    return Object.assign(stats, { mtimeMs: stats.mtimeNs / 1_000_000n, ctimeMs: stats.ctimeNs / 1_000_000n })
  }
  return { ...real, stat }
})

test('without events, changes are found at an interval, even if size and times are unchanged', async () => {
  const directory = await makeFolder()
  const path = join(directory, 'a')
  await writeFile(path, '0')
  const probe = await followSource(openSource({ directory, pollIntervalMs: 20 }))
  for (let version = 1; version <= 9; version++) {
    await writeFile(path, `${version}`)
    await probe.until((document) => expect(textsOf(document)).toEqual({ a: `${version}` }))
  }
})

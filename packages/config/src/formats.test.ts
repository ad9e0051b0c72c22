import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decodeCanary } from './canary-entry.ts'
import { memory, open } from './testing/open-config.ts'

// Texts written by released versions of this package. Each must stay readable: add texts, never change one.

const snapshotOfVersion1 =
  'sha256:2e9006961b664fdd2dbf6534ee0efdcdb0f0e720b16c1439c19c8cf28d99f21e\n{"version":1,"savedAt":1795990127123,"documents":[{"source":"center","entries":[{"key":"a/b","content":"1","format":"text","revision":"2","updatedAt":1795990126846},{"key":"app.yaml","content":"db: { url: x, password: \\"ENC[k:abc]\\" }\\n","format":"yaml","revision":"1","updatedAt":1795990126846}]}]}'

/** From before canary entries had a format. */
const canaryWithoutFormat =
  '{"releaseId":"09d83be0-bd6b-4f2e-b8c5-b2aebe29a684","rule":{"share":10},"content":"a: 2","baseRevision":null}'

const canaryOfFormat1 =
  '{\n  "format": 1,\n  "releaseId": "542641dd-5ab9-4fc2-9328-4bd3b6b871b9",\n  "rule": {\n    "share": 10,\n    "tags": [\n      "canary"\n    ]\n  },\n  "content": "a: 2",\n  "baseRevision": "1",\n  "author": "ada",\n  "comment": "try"\n}\n'

test('a snapshot of version 1 starts a configuration', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sd-config-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'config.snapshot')
  await writeFile(path, snapshotOfVersion1)
  const center = memory('center')
  center.setConnected(false)
  const config = await open({ sources: [center], snapshot: { path, waitMs: 1 }, decrypt: () => 'tiger' })
  expect(config.current).toEqual({ db: { url: 'x', password: 'tiger' }, a: { b: 1 } })
})

test('canary entries of all formats are read', () => {
  expect(decodeCanary({ key: 'a', content: canaryWithoutFormat })).toMatchObject({ content: 'a: 2', rule: { share: 10 } })
  expect(decodeCanary({ key: 'a', content: canaryOfFormat1 })).toEqual({
    releaseId: '542641dd-5ab9-4fc2-9328-4bd3b6b871b9',
    rule: { share: 10, tags: ['canary'] },
    content: 'a: 2',
    baseRevision: '1',
    author: 'ada',
    comment: 'try',
  })
  expect(() => decodeCanary({ key: 'a', content: canaryOfFormat1.replace('"format": 1', '"format": 2') })).toThrow(
    'is not a canary release',
  )
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDiskSnapshots } from './disk-snapshots.ts'

/** A file written by an older version of this package. It must stay readable: add files, never change one. */
const fileOfVersion1 =
  'sha256:a86d273b82454053edb743967438ca4caead7ce45b5aa88ba199fa0206eecac4\n{"version":1,"service":"orders","revision":"5","instances":[{"id":"orders-1","service":"orders","address":"10.0.0.1","port":8080,"protocol":"https","version":"1.2.0","weight":2.5,"priority":1,"tags":["eu"],"metadata":{"team":"a"},"locality":{"region":"eu","zone":"z1"},"health":{"status":"healthy","checkedAt":1795990127171},"createdAt":1795990127171,"updatedAt":1795990127171}]}'

test('reads a snapshot of format version 1', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sd-snapshots-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await writeFile(join(directory, 'orders-1c168adb00d208e4.snapshot'), fileOfVersion1)
  expect(await createDiskSnapshots({ directory }).load('orders')).toMatchObject({
    stale: true,
    instances: [
      { id: 'orders-1', address: '10.0.0.1', port: 8080, protocol: 'https', version: '1.2.0', weight: 2.5, tags: ['eu'] },
    ],
  })
})

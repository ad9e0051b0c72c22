import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ConfigSource } from '@sd/core'
import { configSourceContract } from '@sd/testing'
import { test } from 'vitest'
import { createFileConfigSource } from './index.ts'

const contract = configSourceContract({
  keys: ['db/pool/size', 'orders.yaml'],
  capabilities: { compareAndSet: false },
  eventuallyMs: 10_000,
  setup: async () => {
    const root = await mkdtemp(join(tmpdir(), 'sd-config-file-'))
    const files = join(root, 'files')
    await mkdir(files)
    // Each source has its own link to the same files, which can be cut.
    const links = new Map<ConfigSource, string>()
    return {
      open: async () => {
        const directory = join(root, randomUUID())
        await symlink(files, directory)
        const source = createFileConfigSource({ directory, settleMs: 20, operationTimeoutMs: 2_000 })
        links.set(source, directory)
        return source
      },
      write: async (key, content) => {
        await mkdir(dirname(join(files, key)), { recursive: true })
        await writeFile(join(files, key), content)
      },
      remove: (key) => rm(join(files, key)),
      setConnected: (source, connected) => {
        const directory = links.get(source) as string
        return connected ? symlink(files, directory) : rm(directory)
      },
      dispose: () => rm(root, { recursive: true }),
    }
  },
})
for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)

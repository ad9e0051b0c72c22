import { join } from 'node:path'
import {
  createCanaryRelease,
  createConfig,
  createMemoryConfigSource,
  type MemoryConfigStore,
  withCanaryRelease,
} from '@sd/config'
import { createDecrypter, createFileKeyring, type Keyring } from '@sd/config-crypto'
import { z } from 'zod'
import { formatShop, shopKey } from '../operator.ts'
import type { Stage } from '../stage.ts'

interface Reader {
  readonly id: string
  isCanary(): boolean
  reload(): Promise<void>
  close(): Promise<void>
}

/** Number of further instances of the shop, of which only the configuration is started. */
const readerCount = 20

/** The value that the canary version changes. */
const canaryTimeoutMs = 700
const readerSchema = z.object({ client: z.object({ timeoutMs: z.number().optional() }) })

/** Releases a version to half of the instances first, then to all. */
export async function canaryRelease(stage: Stage, store: MemoryConfigStore): Promise<void> {
  const { shop, shopOptions, operator, screen, untilUpdated, promise } = stage
  screen.heading(`A canary release: half of ${readerCount} more instances get a version first`)
  const keys = createFileKeyring({ path: join(shopOptions.folder, 'keys') })
  const readers = await Promise.all(
    Array.from({ length: readerCount }, (_, index) => startReader(store, keys, `shop-${index + 2}`)),
  )
  const release = createCanaryRelease({ source: operator.source, key: shopKey })
  const chosen = (): readonly string[] => readers.filter((reader) => reader.isCanary()).map(({ id }) => id)
  const showChosen = async (): Promise<void> => {
    await Promise.all(readers.map((reader) => reader.reload()))
    screen.note(readers.map((reader) => (reader.isCanary() ? '■' : '□')).join(' '))
  }

  const tree = JSON.parse((await operator.read()).content) as { client: object }
  await release.publish(formatShop({ ...tree, client: { ...tree.client, timeoutMs: canaryTimeoutMs } }), {
    rule: { share: 50 },
    author: 'bob',
  })
  screen.deed(`the canary version is published for 50 %: client.timeoutMs is ${canaryTimeoutMs}`)
  await showChosen()
  const first = chosen()
  const isPart = first.length > 0 && first.length < readerCount
  promise(
    'a canary release reaches some instances',
    isPart && shop.config.current.client.timeoutMs !== canaryTimeoutMs,
    `${first.length} of ${readerCount}`,
  )

  await release.retarget({ share: 80 })
  screen.deed('it is published for 80 %')
  await showChosen()
  const stay = first.filter((id) => chosen().includes(id)).length
  promise('instances keep it when the share grows', stay === first.length, `${stay} of ${first.length}, now ${chosen().length}`)

  await untilUpdated(async () => {
    await release.promote({ author: 'bob', comment: 'promoted' })
    screen.deed('it is promoted')
  })
  await showChosen()
  const all = chosen().length
  const own = shop.config.current.client.timeoutMs
  promise(
    'after promotion it reaches all instances',
    all === readerCount && own === canaryTimeoutMs,
    `${all} of ${readerCount}, and the shop itself: ${own}`,
  )
  await Promise.all(readers.map((reader) => reader.close()))
  keys.close()
}

async function startReader(store: MemoryConfigStore, keys: Keyring, id: string): Promise<Reader> {
  const source = withCanaryRelease(createMemoryConfigSource({ store, name: id }), { instance: { id } })
  const config = await createConfig({ sources: [source], schema: readerSchema, decrypt: createDecrypter({ keys }), name: id })
  return {
    id,
    isCanary: () => config.current.client.timeoutMs === canaryTimeoutMs,
    reload: () => config.reload(),
    async close() {
      await config.close()
      await source.close()
    },
  }
}

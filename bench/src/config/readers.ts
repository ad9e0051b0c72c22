import { createConfig, createMemoryConfigSource } from '@sd/config'
import { z } from 'zod'

/** A way to read `db.pool.size`. */
export interface Reader {
  /** Name in the table. */
  readonly name: string
  /** Maximum CPU time relative to the first one. */
  readonly limit?: number
  /** Prepares the reader. @returns a function that reads this number of times and returns the sum */
  readonly create: () => ((count: number) => number) | Promise<(count: number) => number>
}

const schema = z.object({
  name: z.string(),
  db: z.object({ url: z.string(), pool: z.object({ size: z.number().int(), idleMs: z.number() }) }),
  flags: z.object({ fast: z.boolean() }),
})

/**
 * Number of objects that a reader reads in turn. A single object that never changes would be read only once by the optimizing
 * compiler, and nothing would be measured.
 */
const objectCount = 64

/** The readers; the first is the baseline. Their loops are equal but not shared, so that each is compiled for its reads. */
export const readers: readonly Reader[] = [
  {
    name: 'a property of a frozen object',
    create() {
      const trees = Array.from({ length: objectCount }, (_, index) => freezeTree(createTree(index)))
      return (count) => {
        let sum = 0
        for (let index = 0; index < count; index++) sum += (trees[index % objectCount] as z.infer<typeof schema>).db.pool.size
        return sum
      }
    },
  },
  {
    name: 'config.current.db.pool.size',
    limit: 2,
    async create() {
      const configs = await createConfigs()
      return (count) => {
        let sum = 0
        for (let index = 0; index < count; index++) sum += (configs[index % objectCount] as SomeConfig).current.db.pool.size
        return sum
      }
    },
  },
  {
    name: "config.get('db.pool.size')",
    async create() {
      const configs = await createConfigs()
      return (count) => {
        let sum = 0
        for (let index = 0; index < count; index++) sum += (configs[index % objectCount] as SomeConfig).get('db.pool.size')
        return sum
      }
    },
  },
]

/** The loop of the readers without the read. */
export function createLoop(): (count: number) => number {
  const sizes = Array.from({ length: objectCount }, (_, index) => index)
  return (count) => {
    let sum = 0
    for (let index = 0; index < count; index++) sum += sizes[index % objectCount] as number
    return sum
  }
}

type SomeConfig = Awaited<ReturnType<typeof createConfigs>>[number]

function createTree(size: number): z.infer<typeof schema> {
  return { name: 'orders', db: { url: 'postgres://db/orders', pool: { size, idleMs: 1_000 } }, flags: { fast: true } }
}

function freezeTree(tree: z.infer<typeof schema>): z.infer<typeof schema> {
  Object.freeze(tree.db.pool)
  Object.freeze(tree.db)
  Object.freeze(tree.flags)
  return Object.freeze(tree)
}

/** Creates configurations that have had an update, as in a running program. */
async function createConfigs() {
  return await Promise.all(
    Array.from({ length: objectCount }, async (_, index) => {
      const source = createMemoryConfigSource({ entries: { 'orders.json': JSON.stringify(createTree(objectCount)) } })
      const config = await createConfig({ sources: [source], schema })
      await config.set('db.pool.size', index)
      return config
    }),
  )
}

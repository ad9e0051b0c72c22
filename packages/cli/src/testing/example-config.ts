import { createCanaryRelease, createMemoryConfigSource } from '@sd/config'
import { createConfigHistory, createMemoryStore, type HistoryStore } from '@sd/config-history'
import type { WritableConfigSource } from '@sd/core'

/** A text of `orders.yaml`, with a secret that no output may contain. */
export function ordersText(pool: number): string {
  return `db:\n  pool:\n    size: ${pool}\n  password: tiger-canary\n  url: postgres://db/orders\n`
}

/** Writes the example entries: `orders.yaml` with three versions and a canary release, and `flags.json`. */
export async function writeExamples(source: WritableConfigSource, store: HistoryStore): Promise<void> {
  const history = createConfigHistory({ source, key: 'orders.yaml', store, author: 'ann' })
  await history.put(ordersText(5), { comment: 'begin' })
  await history.put(ordersText(10), { comment: 'pool for the sale' })
  await history.put(ordersText(1_000), { author: 'bob', comment: 'more!' })
  await source.put('flags.json', '{"checkout":{"new":true},"apiKey":"tiger-canary"}', {})
  await createCanaryRelease({ source, key: 'orders.yaml' }).publish(ordersText(20), {
    rule: { share: 10, tags: ['beta'] },
    author: 'ann',
    comment: 'try 20',
  })
}

/** A configuration in memory, and the stores of its histories. */
export interface ExampleConfig {
  readonly config: WritableConfigSource
  readonly historyStore: (key: string) => HistoryStore
}

/** Creates one with the example entries. */
export async function createExampleConfig(): Promise<ExampleConfig> {
  const config = createMemoryConfigSource()
  const stores = new Map<string, HistoryStore>()
  const historyStore = (key: string): HistoryStore => {
    const store = stores.get(key) ?? createMemoryStore()
    stores.set(key, store)
    return store
  }
  await writeExamples(config, historyStore('orders.yaml'))
  return { config, historyStore }
}

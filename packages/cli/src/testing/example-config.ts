import { createCanaryRelease, createMemoryConfigSource } from '@sd/config'
import { type ConfigHistory, createConfigHistory, createMemoryStore, type HistoryStore } from '@sd/config-history'
import type { WritableConfigSource } from '@sd/core'

/** A text of `orders.yaml`, with a secret that no output may contain. */
export function ordersText(pool: number): string {
  return `db:\n  pool:\n    size: ${pool}\n  password: tiger-canary\n  url: postgres://db/orders\n`
}

/** Writes three versions of `orders.yaml`. */
export async function writeExampleVersions(history: ConfigHistory): Promise<void> {
  await history.put(ordersText(5), { author: 'ann', comment: 'begin' })
  await history.put(ordersText(10), { author: 'ann', comment: 'pool for the sale' })
  await history.put(ordersText(1_000), { author: 'bob', comment: 'more!' })
}

/** Writes `flags.json`, and a canary release of `orders.yaml`. */
export async function writeExampleEntries(source: WritableConfigSource): Promise<void> {
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
  const history = createConfigHistory({ source: config, key: 'orders.yaml', store: historyStore('orders.yaml'), author: 'ann' })
  await writeExampleVersions(history)
  await writeExampleEntries(config)
  return { config, historyStore }
}

import { createMemoryConfigSource, createMemoryConfigStore, type MemoryConfigStore } from '@sd/config'
import type { WritableConfigSource } from '@sd/core'
import {
  type ConfigHistory,
  type ConfigHistoryOptions,
  type ConfigVersion,
  createConfigHistory,
  createMemoryStore,
  type HistoryStore,
} from '../index.ts'

/** Key of the entry that tests work on. */
export const key = 'orders.json'

/** A history, and what is behind it. */
export interface Setup {
  /** The history, by author `ann`. */
  readonly history: ConfigHistory
  /** What the source's server has. */
  readonly texts: MemoryConfigStore
  /** Another source on the same server. */
  readonly source: WritableConfigSource
  /** Where the history is kept. */
  readonly store: HistoryStore
  /** Another process, on the same source and store. */
  open(options?: Partial<ConfigHistoryOptions>): ConfigHistory
}

/** A history in memory. */
export function setUp(options: Partial<ConfigHistoryOptions> = {}): Setup {
  const texts = createMemoryConfigStore()
  const source = options.source ?? createMemoryConfigSource({ store: texts })
  const store = options.store ?? createMemoryStore()
  const open = (more: Partial<ConfigHistoryOptions> = {}): ConfigHistory =>
    createConfigHistory({ key, author: 'ann', writeTimeoutMs: 50, ...options, source, store, ...more })
  return { history: open(), texts, source, store, open }
}

/** What matters of versions, newest first: number, how, state, content. */
export function summaryOf(versions: readonly ConfigVersion[]): readonly string[] {
  return versions.map(({ version, change, state, content }) => `${version} ${change} ${state} ${content}`)
}

/** A source some of whose functions are others. */
export function withChanges(source: WritableConfigSource, changes: Partial<WritableConfigSource>): WritableConfigSource {
  return { ...source, ...changes }
}

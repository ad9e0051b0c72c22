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

/** A history with its source and store. */
export interface Setup {
  /** The history with author `ann`. */
  readonly history: ConfigHistory
  /** The texts of the source's backend. */
  readonly texts: MemoryConfigStore
  /** Another source on the same backend. */
  readonly source: WritableConfigSource
  /** Store of the history. */
  readonly store: HistoryStore
  /** Opens the history of another process, on the same source and store. */
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

/** Summary of versions, newest first: number, change, state, content. */
export function summaryOf(versions: readonly ConfigVersion[]): readonly string[] {
  return versions.map(({ version, change, state, content }) => `${version} ${change} ${state} ${content}`)
}

/** A source with some functions replaced. */
export function withChanges(source: WritableConfigSource, changes: Partial<WritableConfigSource>): WritableConfigSource {
  return { ...source, ...changes }
}

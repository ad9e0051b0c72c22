import type { HistoryStore } from './store.ts'

/** Creates a store in memory. */
export function createMemoryStore(): HistoryStore {
  let text = ''
  let changes = 0

  async function replace(next: string, revision: string): Promise<boolean> {
    if (revision !== String(changes)) return false
    text = next
    changes++
    return true
  }

  return {
    name: 'memory',
    maxBytes: 67_108_864,
    read: async () => ({ text, revision: String(changes) }),
    append: (lines, revision) => replace(text + lines, revision),
    replace,
  }
}

/** Returns the object that was created from the same data before, or creates it. */
export type Reuse = <Data, Created>(kind: string, data: Data, make: (data: Data) => Created) => Created

/** Remembers which object was created from which data. */
export interface ObjectCache {
  /** Usable inside {@link ObjectCache.transact}. */
  readonly reuse: Reuse
  /** Runs a reading. If it succeeds, exactly the objects that it created or found are remembered. */
  transact<T>(read: () => T): T
  /** Closes all created objects that can be closed, remembered or not. Idempotent. */
  close(): Promise<void>
}

/** Maximum number of forgotten objects that wait to be closed: calls in progress may still use them. */
const maxDropped = 100

interface Closable {
  close(): Promise<void> | void
}

/** Creates an empty cache. */
export function createObjectCache(): ObjectCache {
  let kept: ReadonlyMap<string, unknown> = new Map()
  let used = new Map<string, unknown>()
  const dropped: Closable[] = []

  return {
    reuse(kind, data, make) {
      const id = `${kind} ${JSON.stringify(data, sortFields)}`
      const created = (used.get(id) ?? kept.get(id) ?? make(data)) as ReturnType<typeof make>
      used.set(id, created)
      return created
    },
    transact(read) {
      used = new Map()
      const result = read()
      const current = new Set(used.values())
      dropped.push(...[...kept.values()].filter((created): created is Closable => !current.has(created) && isClosable(created)))
      for (const created of dropped.splice(0, Math.max(0, dropped.length - maxDropped))) void created.close()
      kept = used
      return result
    },
    async close() {
      const all = [...dropped.splice(0), ...[...kept.values()].filter(isClosable)]
      kept = new Map()
      await Promise.all(all.map((created) => created.close()))
    },
  }
}

function isClosable(created: unknown): created is Closable {
  return typeof created === 'object' && created !== null && 'close' in created && typeof created.close === 'function'
}

/** The order of fields has no meaning. */
function sortFields(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}

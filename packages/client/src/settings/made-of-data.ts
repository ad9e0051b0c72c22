/** Returns the object that was created from the same data before, or creates it. */
export type Keep = <Data, Made>(kind: string, data: Data, make: (data: Data) => Made) => Made

/** Remembers which object was created from which data. */
export interface Keeper {
  /** Usable inside {@link Keeper.transact}. */
  readonly keep: Keep
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

/** Creates a keeper. */
export function createKeeper(): Keeper {
  let kept: ReadonlyMap<string, unknown> = new Map()
  let used = new Map<string, unknown>()
  const dropped: Closable[] = []

  return {
    keep(kind, data, make) {
      const id = `${kind} ${JSON.stringify(data, sortFields)}`
      const made = (used.get(id) ?? kept.get(id) ?? make(data)) as ReturnType<typeof make>
      used.set(id, made)
      return made
    },
    transact(read) {
      used = new Map()
      const result = read()
      const current = new Set(used.values())
      dropped.push(...[...kept.values()].filter((made): made is Closable => !current.has(made) && isClosable(made)))
      for (const made of dropped.splice(0, Math.max(0, dropped.length - maxDropped))) void made.close()
      kept = used
      return result
    },
    async close() {
      const all = [...dropped.splice(0), ...[...kept.values()].filter(isClosable)]
      kept = new Map()
      await Promise.all(all.map((made) => made.close()))
    },
  }
}

function isClosable(made: unknown): made is Closable {
  return typeof made === 'object' && made !== null && 'close' in made && typeof made.close === 'function'
}

/** The order of fields has no meaning. */
function sortFields(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}

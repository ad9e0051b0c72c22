/** Which instances were removed on purpose lately. */
export interface Departures {
  /** An instance is removed. */
  add(service: string, instanceId: string): void
  /** An instance is registered, perhaps again. */
  delete(service: string, instanceId: string): void
  /** Whether an instance was removed lately, and not registered again. */
  has(service: string, instanceId: string): boolean
}

/** Most departures that are remembered; the oldest go first. More within the time that a list needs to arrive is not expected. */
const most = 10_000

/** Remembers which instances were removed on purpose, so that their absence is not taken for a loss. */
export function createDepartures(): Departures {
  const known = new Set<string>()
  const keyOf = (service: string, instanceId: string): string => JSON.stringify([service, instanceId])
  return {
    add(service, instanceId) {
      const key = keyOf(service, instanceId)
      known.delete(key)
      known.add(key)
      if (known.size > most) known.delete(known.values().next().value as string)
    },
    delete(service, instanceId) {
      if (known.size > 0) known.delete(keyOf(service, instanceId))
    },
    has: (service, instanceId) => known.size > 0 && known.has(keyOf(service, instanceId)),
  }
}

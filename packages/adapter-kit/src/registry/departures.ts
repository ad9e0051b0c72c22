/** Instances that were recently removed on purpose. */
export interface Departures {
  /** Records that an instance is removed. */
  add(service: string, instanceId: string): void
  /** Records that an instance is registered, possibly again. */
  delete(service: string, instanceId: string): void
  /** Whether an instance was recently removed and not registered again. */
  has(service: string, instanceId: string): boolean
}

/**
 * Maximum number of remembered departures; the oldest are dropped first. More are not expected in the time a list takes
 * to arrive.
 */
const most = 10_000

/** Remembers which instances were removed on purpose, so that their absence is not treated as a failure of the registry. */
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

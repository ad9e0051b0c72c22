/** Puts back what tests leave changed in their process. */
export interface Cleaner {
  /**
   * Restores globals and listeners of the process.
   *
   * @returns whether nothing is left open: timers, sockets, servers
   */
  readonly clean: (sleep: (ms: number) => Promise<void>) => Promise<boolean>
}

/** How long what ends a moment after the tests may take, in milliseconds. */
const graceMs = 60

/** Looks at the process as it is now. */
export function createCleaner(): Cleaner {
  const owners: readonly object[] = [globalThis, Math, Date, process, AbortSignal.prototype, EventTarget.prototype]
  const before = owners.map((owner) => ({ owner, properties: Object.getOwnPropertyDescriptors(owner) as PropertyDescriptorMap }))
  const listeners = new Map(process.eventNames().map((name) => [name, process.listeners(name as 'exit')]))
  // A timer of vitest's own, with which it gathers reports, may be under way.
  const allowed = openResources() + 1

  function restoreListeners(): void {
    for (const name of process.eventNames()) {
      if (name === 'message' || name === 'newListener' || name === 'removeListener') continue
      for (const listener of process.listeners(name as 'exit')) {
        if (!listeners.get(name)?.includes(listener)) process.off(name as 'exit', listener)
      }
    }
  }

  return {
    async clean(sleep) {
      for (const { owner, properties } of before) restore(owner, properties)
      restoreListeners()
      for (let waitedMs = 0; openResources() > allowed && waitedMs < graceMs; waitedMs += 10) await sleep(10)
      return openResources() <= allowed
    },
  }
}

/** What keeps the process alive: timers, sockets, servers. */
const openResources = (): number => process.getActiveResourcesInfo().length

function restore(owner: object, properties: PropertyDescriptorMap): void {
  for (const [name, wanted] of Object.entries(properties)) {
    const found = Object.getOwnPropertyDescriptor(owner, name)
    const isSame = found && found.value === wanted.value && found.get === wanted.get && found.set === wanted.set
    if (isSame || (found && !found.configurable)) continue
    Object.defineProperty(owner, name, wanted)
  }
  for (const name of Object.keys(Object.getOwnPropertyDescriptors(owner))) {
    if (!(name in properties) && !name.startsWith('__')) Reflect.deleteProperty(owner, name)
  }
}

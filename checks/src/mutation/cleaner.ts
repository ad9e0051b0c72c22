/** Restores the state that tests have changed in their process. */
export interface Cleaner {
  /**
   * Restores globals and listeners of the process.
   *
   * @returns whether nothing is left open: timers, sockets, servers
   */
  readonly clean: (sleep: (ms: number) => Promise<void>) => Promise<boolean>
}

/** Time that timers and sockets have to end after the tests, in milliseconds. */
const graceMs = 60

/** Records the current state of the process. */
export function createCleaner(): Cleaner {
  const owners: readonly object[] = [globalThis, Math, Date, process, AbortSignal.prototype, EventTarget.prototype]
  const before = owners.map((owner) => ({ owner, properties: Object.getOwnPropertyDescriptors(owner) as PropertyDescriptorMap }))
  const listeners = new Map(process.eventNames().map((name) => [name, process.listeners(name as 'exit')]))
  // A timer with which vitest collects reports may be running.
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

/** The resources that keep the process alive: timers, sockets, servers. */
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

import type { Cluster } from '@sd/core'

/** Notifies calls that wait for an instance: of cluster changes and connections, by service. */
export class ServiceWaits {
  readonly #waiting = new Map<string, Set<() => void>>()

  /** Waits for the next change. @returns a function that ends the wait */
  wait(service: string, onChange: () => void, cluster: Cluster | undefined): () => void {
    const known = this.#waiting.get(service) ?? new Set()
    this.#waiting.set(service, known)
    const once = (): void => {
      leave()
      onChange()
    }
    const leaveCluster = cluster?.onChange(once)
    known.add(once)
    const leave = (): void => {
      leaveCluster?.()
      known.delete(once)
      if (known.size === 0 && this.#waiting.get(service) === known) this.#waiting.delete(service)
    }
    return leave
  }

  /** Ends the waits for a service: calls that still have no instance wait again. */
  tell(service: string): void {
    for (const tell of [...(this.#waiting.get(service) ?? [])]) tell()
  }
}

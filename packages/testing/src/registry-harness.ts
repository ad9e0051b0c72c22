import type { InstanceSpec, ReadOnlyRegistry, Registry, RegistryCapabilities } from '@sd/core'

/** A backend for one case, empty and isolated from every other case. */
export interface RegistryBackend {
  /** Opens one more independent client. */
  open(): Promise<Registry>
  /** Cuts or mends the way between one client and the backend, in both directions. The backend itself stays up. */
  setConnected(registry: Registry, connected: boolean): void | Promise<void>
  /** Closes what is left; called after every case. */
  dispose(): Promise<void>
}

/** How the registry contract reaches an adapter and its backend. */
export interface RegistryHarness {
  /** Makes a backend for one case. */
  readonly setup: () => Promise<RegistryBackend>
  /** Shortest lease that the backend allows, in milliseconds; the expiry cases wait for a small multiple of it. */
  readonly shortestTtlMs: number
  /**
   * What the registry's `capabilities` say that it can't do: cases of it are left out, so that a report shows what ran. Every client that is
   * opened must say the same. @default both are true
   */
  readonly capabilities?: Partial<Pick<RegistryCapabilities, 'ttl' | 'conditionalRemove'>>
  /** Longest time that a change takes to be seen, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

/** A source for one case of the discoverer contract. */
export interface DiscovererBackend {
  /** Opens a client. */
  open(): Promise<ReadOnlyRegistry>
  /** Replaces everything that the source lists. */
  publish(specs: readonly InstanceSpec[]): Promise<void>
  /** Closes what is left; called after every case. */
  dispose(): Promise<void>
}

/** How the discoverer contract reaches a source that nothing registers with, such as a file or DNS. */
export interface DiscovererHarness {
  /** Makes an empty source for one case. */
  readonly setup: () => Promise<DiscovererBackend>
  /** Longest time that a change takes to be seen, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

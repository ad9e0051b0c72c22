import type { InstanceSpec, ReadOnlyRegistry, Registry, RegistryCapabilities } from '@sd/core'

/** A backend for one case, empty and isolated from every other case. */
export interface RegistryBackend {
  /** Opens another independent client. */
  open(): Promise<Registry>
  /** Cuts or restores the connection between one client and the backend, in both directions. The backend keeps running. */
  setConnected(registry: Registry, connected: boolean): void | Promise<void>
  /** Closes everything that is left. Called after every case. */
  dispose(): Promise<void>
}

/** Connects the registry contract with an adapter and its backend. */
export interface RegistryHarness {
  /** Creates a backend for one case. */
  readonly setup: () => Promise<RegistryBackend>
  /** Shortest lease that the backend allows, in milliseconds. The expiry cases wait for a small multiple of it. */
  readonly shortestTtlMs: number
  /**
   * Unsupported capabilities, as declared by the registry. Their cases are omitted, so that a report shows what ran.
   * Every opened client must declare the same.
   *
   * @default both are true
   */
  readonly capabilities?: Partial<Pick<RegistryCapabilities, 'ttl' | 'conditionalRemove'>>
  /** Longest time until a change is visible, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

/** A source for one case of the discoverer contract. */
export interface DiscovererBackend {
  /** Opens a client. */
  open(): Promise<ReadOnlyRegistry>
  /** Replaces everything that the source lists. */
  publish(specs: readonly InstanceSpec[]): Promise<void>
  /** Closes everything that is left. Called after every case. */
  dispose(): Promise<void>
}

/** Connects the discoverer contract with a read-only source, such as a file or DNS. */
export interface DiscovererHarness {
  /** Creates an empty source for one case. */
  readonly setup: () => Promise<DiscovererBackend>
  /** Longest time until a change is visible, in milliseconds. @default 5_000 */
  readonly eventuallyMs?: number
}

import type { RegistrationDriver } from '@sd/adapter-kit'
import { type Collection, type KubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import { SdError, sleep, withTimeout } from '@sd/core'
import type { Lease } from './lease-clock.ts'

/** Options of {@link createSweeper}. */
export interface SweeperOptions {
  readonly connection: KubernetesConnection
  readonly leases: Collection
  /** Minimum time between two checks, in milliseconds; each pause is up to twice that. */
  readonly intervalMs: number
  /** Time limit of one check, in milliseconds. */
  readonly operationTimeoutMs: number
}

/** Deletes the leases of dead processes, because Kubernetes never deletes a lease itself. */
export interface Sweeper {
  /** Returns the same driver; its first registration starts the sweeper. */
  beside(driver: RegistrationDriver): RegistrationDriver
  /** Stops the sweeper. */
  close(): void
}

/** Number of lease durations for which a lease must be unchanged before it is deleted. */
const patience = 2

/**
 * Creates a sweeper. It relies only on its own uninterrupted observation, because after an outage of the API server
 * every lease looks expired. It deletes leases; Kubernetes then deletes the EndpointSlices that they own.
 */
export function createSweeper({ connection, leases, intervalMs, operationTimeoutMs: timeoutMs }: SweeperOptions): Sweeper {
  const controller = new AbortController()
  const { signal } = controller
  let isSweeping = false
  /** When each lease was first seen in its current state, by `performance.now()`. */
  let sightings = new Map<string, number>()

  async function sweep(): Promise<void> {
    const { items } = await withTimeout({ timeoutMs, what: 'listing dead leases', signal }, (limit) =>
      listCollection<Lease>(connection, leases, limit),
    )
    const now = performance.now()
    const before = sightings
    sightings = new Map()
    for (const lease of items) {
      const { name, uid, resourceVersion } = lease.metadata
      const key = `${uid} ${lease.spec?.renewTime}`
      const since = before.get(key) ?? now
      sightings.set(key, since)
      if (now - since < (lease.spec?.leaseDurationSeconds ?? 0) * 1_000 * patience) continue
      const body = { preconditions: { uid, resourceVersion } }
      await withTimeout({ timeoutMs, what: 'deleting a dead lease', signal }, (limit) =>
        connection.request({ method: 'DELETE', path: `${leases.path}/${name}`, body, signal: limit }),
      ).catch(ignoreRevived)
    }
  }

  async function keepSweeping(): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs * (1 + Math.random()), signal)
      try {
        await sweep()
      } catch (error) {
        // Without the permission, other processes have to do it.
        if (error instanceof SdError && !error.retryable) return
        sightings = new Map()
      }
    }
  }

  return {
    beside: (driver) => ({
      ...driver,
      async put(instance, context) {
        await driver.put(instance, context)
        if (isSweeping) return
        isSweeping = true
        // Rejects when it is closed.
        keepSweeping().catch(() => undefined)
      },
    }),
    close: () => controller.abort(),
  }
}

/** The lease was renewed by its holder, or deleted by another sweeper. */
function ignoreRevived(error: unknown): void {
  if (!(error instanceof SdError) || (error.code !== 'SD_CONFLICT' && error.code !== 'SD_NOT_FOUND')) throw error
}

import type { RegistrationDriver } from '@sd/adapter-kit'
import { type Collection, type KubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import { SdError, sleep, withTimeout } from '@sd/core'
import type { Lease } from './lease-clock.ts'

/** Options of {@link createSweeper}. */
export interface SweeperOptions {
  readonly connection: KubernetesConnection
  readonly leases: Collection
  /** Least time between two looks, in milliseconds; each pause is up to twice that. */
  readonly intervalMs: number
  /** Limit of one look, in milliseconds. */
  readonly operationTimeoutMs: number
}

/** Deletes what dead processes left: Kubernetes never deletes a lease by itself. */
export interface Sweeper {
  /** The same driver; its first registration begins the sweeping. */
  beside(driver: RegistrationDriver): RegistrationDriver
  /** Ends it. */
  close(): void
}

/** A lease is left alone until this process saw it unchanged for so many of its lifetimes. */
const patience = 2

/**
 * Makes a sweeper. It goes by what it saw itself, without an interruption, because after an outage of the API server every lease looks dead.
 * It deletes leases only; Kubernetes then deletes the EndpointSlices that they own.
 */
export function createSweeper({ connection, leases, intervalMs, operationTimeoutMs: timeoutMs }: SweeperOptions): Sweeper {
  const controller = new AbortController()
  const { signal } = controller
  let isSweeping = false
  /** Since when a lease looks as it does, by `performance.now()`. */
  let sightings = new Map<string, number>()

  async function sweep(): Promise<void> {
    const { items } = await withTimeout({ timeoutMs, what: 'looking for dead leases', signal }, (limit) =>
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
        // Without the permission it is for others to do.
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
        // Ends with a rejection when it is closed.
        keepSweeping().catch(() => undefined)
      },
    }),
    close: () => controller.abort(),
  }
}

/** Its holder or another sweeper was faster. */
function ignoreRevived(error: unknown): void {
  if (!(error instanceof SdError) || (error.code !== 'SD_CONFLICT' && error.code !== 'SD_NOT_FOUND')) throw error
}

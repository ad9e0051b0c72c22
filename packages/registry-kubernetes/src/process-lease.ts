import { hostname } from 'node:os'
import type { Collection, KubernetesConnection } from '@sd/connection-kubernetes'
import { SdError } from '@sd/core'
import type { Lease } from './lease-clock.ts'
import { type LeaseReference, managedByLabel, manager } from './slices.ts'

/** A lease that all registrations with one time to live share, so that a process renews one object and not a thousand. */
export interface ProcessLease {
  /** Returns a lease that was renewed recently; creates one if necessary. */
  hold(signal: AbortSignal): Promise<LeaseReference>
  /** Renews the lease. @returns its name, or `undefined` if it no longer exists */
  renew(signal: AbortSignal): Promise<string | undefined>
  /** Deletes the lease, and with it the slices that are still bound to it. */
  end(signal: AbortSignal): Promise<void>
}

interface Held extends LeaseReference {
  /** When the server last confirmed the lease, by `performance.now()`. */
  confirmedAt: number
}

/** Lease durations are in seconds, and the server's times are truncated to whole seconds. */
const shortestSeconds = 2

/**
 * Creates a lease with the time to live `ttlMs`. It is created on the server on first use. @param leases path of the
 * namespace's leases
 */
export function createProcessLease(connection: KubernetesConnection, { path }: Collection, ttlMs: number): ProcessLease {
  const leaseDurationSeconds = Math.max(shortestSeconds, Math.ceil(ttlMs / 1_000))
  let held: Held | undefined
  let holding: Promise<Held> | undefined

  async function create(signal: AbortSignal): Promise<Held> {
    const startedAt = performance.now()
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: `sd-${crypto.randomUUID()}`, labels: { [managedByLabel]: manager } },
      spec: {
        holderIdentity: `${hostname()}_${process.pid}`,
        leaseDurationSeconds,
        acquireTime: microTime(),
        renewTime: microTime(),
      },
    }
    const response = await connection.request({ method: 'POST', path, body, signal })
    const { name, uid = '' } = (response.body as Lease).metadata
    held = { name, uid, confirmedAt: startedAt }
    return held
  }

  async function renewNow(before: Held, signal: AbortSignal): Promise<Held | undefined> {
    const startedAt = performance.now()
    try {
      const body = { spec: { renewTime: microTime() } }
      await connection.request({ method: 'PATCH', path: `${path}/${before.name}`, body, signal })
      before.confirmedAt = startedAt
      return before
    } catch (error) {
      if (!(error instanceof SdError) || error.code !== 'SD_NOT_FOUND') throw error
      if (held === before) held = undefined
      return undefined
    }
  }

  return {
    async hold(signal) {
      if (held && performance.now() - held.confirmedAt < leaseDurationSeconds * 300) return held
      holding ??= (async () => (held && (await renewNow(held, signal))) ?? (await create(signal)))().finally(() => {
        holding = undefined
      })
      const { name, uid } = await holding
      return { name, uid }
    },
    async renew(signal) {
      return held && (await renewNow(held, signal))?.name
    },
    async end(signal) {
      const before = held
      held = undefined
      if (before) await connection.request({ method: 'DELETE', path: `${path}/${before.name}`, signal }).catch(ignoreMissing)
    },
  }
}

/** Ignores the error that an object to delete does not exist. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof SdError) || error.code !== 'SD_NOT_FOUND') throw error
}

function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}

import { hostname } from 'node:os'
import type { Collection, KubernetesConnection } from '@sd/connection-kubernetes'
import { SdError } from '@sd/core'
import type { Lease } from './lease-clock.ts'
import { type LeaseReference, managedByLabel, manager } from './slices.ts'

/** A lease that all registrations of one lifetime share, so that a process renews one object and not a thousand. */
export interface ProcessLease {
  /** A lease that was renewed a moment ago, created if need be. */
  hold(signal: AbortSignal): Promise<LeaseReference>
  /** Renews it. @returns its name, or `undefined` if it is gone */
  renew(signal: AbortSignal): Promise<string | undefined>
  /** Deletes it, and with it the slices that are still bound to it. */
  end(signal: AbortSignal): Promise<void>
}

interface Held extends LeaseReference {
  /** When the server last confirmed it, by `performance.now()`. */
  confirmedAt: number
}

/** Kubernetes counts in seconds, and the server's times are cut to whole ones. */
const shortestSeconds = 2

/** Describes a lease of `ttlMs`; nothing is created before it is asked for. @param leases path of the namespace's leases */
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
    const answer = await connection.request({ method: 'POST', path, body, signal })
    const { name, uid = '' } = (answer.body as Lease).metadata
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

/** Lets pass that something to delete is not there. */
export function ignoreMissing(error: unknown): void {
  if (!(error instanceof SdError) || error.code !== 'SD_NOT_FOUND') throw error
}

function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}

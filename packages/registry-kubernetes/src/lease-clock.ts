import type { KubeObject, Listing } from '@sd/connection-kubernetes'

/** A `Lease` of coordination.k8s.io, as far as it is used. */
export interface Lease extends KubeObject {
  readonly spec?: { readonly leaseDurationSeconds?: number; readonly renewTime?: string }
}

/** Tells which leases are alive, by the clock of this process: those of the holders may be wrong. */
export interface LeaseClock {
  /** Takes note of all leases. */
  list(listing: Listing<Lease>): void
  /** Takes note of one lease that was seen to change, or to be gone. */
  change(lease: Lease, isThere: boolean): void
  /** The server was away: nobody could renew, so what was alive gets its time again once the server is back. */
  interrupt(): void
  /** Names of the leases that are alive now. */
  alive(): ReadonlySet<string>
  /** When the next lease ends, by `performance.now()`. */
  nextEnd(): number | undefined
}

interface Sighting {
  /** What the holder wrote. */
  readonly renewal: string
  readonly endsAt: number
  /** Whether a listing found it so: then only its holder can revive it. */
  readonly isDead: boolean
}

/** An answer that took longer may have waited for a server that was paused. */
const slowAnswerMs = 1_000

/** The server's times are cut to whole seconds. */
const roundingMs = 1_000

/** Makes a clock that has seen nothing. */
export function createLeaseClock(now: () => number = () => performance.now()): LeaseClock {
  let sightings = new Map<string, Sighting>()
  let interruptedAt: number | undefined
  let wasSlow = false

  function see(lease: Lease, ageMs: number, isForgiven: boolean): Sighting {
    const known = sightings.get(lease.metadata.name)
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1_000
    const renewal = `${lease.metadata.uid} ${lease.spec?.renewTime}`
    const isRenewed = known?.renewal !== renewal
    if (!isRenewed && (known.isDead || !isForgiven)) return { ...known, isDead: known.endsAt <= now() }
    const endsAt = now() + durationMs - (isForgiven ? 0 : ageMs)
    return { renewal, endsAt, isDead: endsAt <= now() }
  }

  return {
    list({ items, serverTime, tookMs }) {
      const isSlow = tookMs > slowAnswerMs
      // A way that is always slow is no pause.
      const isForgiven = interruptedAt !== undefined || (isSlow && !wasSlow)
      wasSlow = isSlow
      sightings = new Map(items.map((lease) => [lease.metadata.name, see(lease, readAge(lease, serverTime), isForgiven)]))
      interruptedAt = undefined
    },
    change(lease, isThere) {
      if (isThere) sightings.set(lease.metadata.name, see(lease, 0, false))
      else sightings.delete(lease.metadata.name)
    },
    interrupt() {
      interruptedAt ??= now()
    },
    alive() {
      const names = new Set<string>()
      for (const [name, { endsAt }] of sightings) if (endsAt > now()) names.add(name)
      return names
    },
    nextEnd() {
      let next: number | undefined
      for (const { endsAt } of sightings.values()) if (endsAt > now() && (next === undefined || endsAt < next)) next = endsAt
      return next
    },
  }
}

/** How long ago the lease was renewed when it was listed, both by the server's clock. */
function readAge({ metadata }: Lease, serverTime: number | undefined): number {
  if (serverTime === undefined) return 0
  const times = [metadata.creationTimestamp, ...(metadata.managedFields ?? []).map(({ time }) => time)]
  const renewedAt = Math.max(...times.map((time) => Date.parse(time ?? '')).filter((time) => !Number.isNaN(time)))
  return Number.isFinite(renewedAt) ? Math.max(0, serverTime - renewedAt - roundingMs) : 0
}

import type { KubeObject, Listing } from '@sd/connection-kubernetes'

/** The used part of a `Lease` of coordination.k8s.io. */
export interface Lease extends KubeObject {
  readonly spec?: { readonly leaseDurationSeconds?: number; readonly renewTime?: string }
}

/** Decides which leases are alive by the clock of this process, because the clocks of the holders may be wrong. */
export interface LeaseClock {
  /** Records a list of all leases. */
  list(listing: Listing<Lease>): void
  /** Records a lease that was changed or deleted. */
  change(lease: Lease, isThere: boolean): void
  /**
   * Records that the server was unreachable. Holders could not renew, so each lease that was alive gets its full
   * duration again once the server is reachable.
   */
  interrupt(): void
  /** Returns the names of the leases that are alive now. */
  alive(): ReadonlySet<string>
  /** Returns when the next lease expires, by `performance.now()`. */
  nextEnd(): number | undefined
}

interface Sighting {
  /** Renewal time that the holder wrote. */
  readonly renewal: string
  readonly endsAt: number
  /** Whether it had expired when it was listed. Then only its holder can make it alive again. */
  readonly isDead: boolean
}

/** A slower response may have been delayed by a server that was paused. */
const slowResponseMs = 1_000

/** The server's times are truncated to whole seconds. */
const roundingMs = 1_000

/** Creates a clock that has no leases yet. */
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
      const isSlow = tookMs > slowResponseMs
      // If responses are always slow, slowness does not indicate a pause.
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

/** Returns the time from the renewal of the lease to its listing, both by the server's clock. */
function readAge({ metadata }: Lease, serverTime: number | undefined): number {
  if (serverTime === undefined) return 0
  const times = [metadata.creationTimestamp, ...(metadata.managedFields ?? []).map(({ time }) => time)]
  const renewedAt = Math.max(...times.map((time) => Date.parse(time ?? '')).filter((time) => !Number.isNaN(time)))
  return Number.isFinite(renewedAt) ? Math.max(0, serverTime - renewedAt - roundingMs) : 0
}

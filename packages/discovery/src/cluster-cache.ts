import { checkServiceName, SdError } from '@sd/core'
import type { DiskSnapshots } from './disk-snapshots.ts'
import type { InstanceFeed } from './instance-source.ts'
import { LiveCluster } from './live-cluster.ts'
import type { ResolvedDiscoveryOptions } from './options.ts'

/**
 * If the source never listed a service, it is removed after this idle time (or `idleMs`, if shorter), in milliseconds: the
 * name may be invented.
 */
const unknownIdleMs = 60_000
/** The clusters of all services in use. Unused ones are closed and removed after some time. */
export class ClusterCache {
  /** Clusters by service name. */
  readonly byService: Map<string, LiveCluster> = new Map()
  /** Clusters of services that the source never listed, in the order of their first use. */
  readonly #unknown = new Set<LiveCluster>()
  readonly #feed: InstanceFeed
  readonly #disk: DiskSnapshots | undefined
  #options: ResolvedDiscoveryOptions
  #sweeper: ReturnType<typeof setInterval>

  constructor(options: ResolvedDiscoveryOptions, feed: InstanceFeed, disk: DiskSnapshots | undefined) {
    this.#options = options
    this.#feed = feed
    this.#disk = disk
    this.#sweeper = this.#startSweeper()
  }

  /** All clusters. */
  get all(): Iterable<LiveCluster> {
    return this.byService.values()
  }

  /** Applies new options to all clusters. */
  configure(options: ResolvedDiscoveryOptions): void {
    this.#options = options
    clearInterval(this.#sweeper)
    this.#sweeper = this.#startSweeper()
    for (const cluster of this.all) cluster.configure(options)
  }

  /** Closes all clusters. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    await Promise.all(Array.from(this.all, (cluster) => cluster.close()))
  }

  #startSweeper(): ReturnType<typeof setInterval> {
    const timer = setInterval(() => this.#forgetUnused(), Math.max(1_000, Math.min(this.#options.idleMs, unknownIdleMs) / 2))
    timer.unref?.()
    return timer
  }

  #forgetUnused(): void {
    const now = performance.now()
    for (const cluster of this.byService.values()) {
      const idleMs = cluster.isUnknown ? Math.min(this.#options.idleMs, unknownIdleMs) : this.#options.idleMs
      if (cluster.isUnused && cluster.usedAt <= now - idleMs) this.#forget(cluster)
    }
  }

  #forget(cluster: LiveCluster): void {
    this.byService.delete(cluster.service)
    this.#unknown.delete(cluster)
    void cluster.close()
  }

  /**
   * Removes one cluster. Services that never had an instance are removed first, even if they are in use: nothing can be
   * called there. A first lookup that still waits for the source is an exception. After these, the service that was unused
   * for longest is removed.
   */
  #makeRoom(): void {
    const recently = performance.now() - this.#options.readyTimeoutMs
    let oldest: LiveCluster | undefined
    for (const cluster of this.#unknown) {
      if (!cluster.isUnknown || cluster.events.size > 0) this.#unknown.delete(cluster)
      else if (cluster.snapshot || cluster.usedAt < recently) {
        this.#forget(cluster)
        return
      }
    }
    for (const cluster of this.byService.values()) {
      const isWaiting = !cluster.snapshot && cluster.usedAt >= recently
      if (cluster.isUnused && !isWaiting && !(oldest && oldest.usedAt <= cluster.usedAt)) oldest = cluster
    }
    if (!oldest) throw new SdError('SD_TOO_LARGE', `More than maxServices = ${this.#options.maxServices} services are followed`)
    this.#forget(oldest)
  }

  /** The cluster of a service, created on first use. @throws SdError `SD_INVALID`, `SD_TOO_LARGE` */
  get(service: string): LiveCluster {
    const known = this.byService.get(service)
    if (known) return known
    checkServiceName('service', service)
    if (this.byService.size >= this.#options.maxServices) this.#makeRoom()
    const made = new LiveCluster(service, { options: this.#options, feed: this.#feed, disk: this.#disk })
    this.byService.set(service, made)
    this.#unknown.add(made)
    return made
  }
}

import { type Cluster, checkServiceName, SdError } from '@sd/core'
import type { ResolvedClientOptions } from '../settings/options.ts'
import type { ResolvedServiceSettings } from '../settings/settings.ts'
import { ClientService } from './client-service.ts'

/** Input of {@link KnownServices}. */
export interface KnownServicesOptions extends Pick<ResolvedClientOptions, 'discovery' | 'interceptors' | 'idleMs'> {
  /** The current settings of a service. */
  readonly settingsOf: (service: string) => ResolvedServiceSettings
  /** Whether a service has its own settings. */
  readonly isConfigured: (service: string) => boolean
}

/** Interval of the search for unused services, in milliseconds. */
const sweepMs = 1_000
/** A service that never had an instance is forgotten after one to two sweeps without a call. */
const unknownSweeps = 2
/** Maximum number of services; above it unused ones are dropped, unknown names first. */
const maxEntries = 10_000
/**
 * Replaced policies are closed after this time even if calls use them, in milliseconds: only calls without a time limit
 * last longer.
 */
const longestRetirementMs = 600_000

/** The services that were called, created at their first use and forgotten when unused. */
export class KnownServices {
  readonly #options: KnownServicesOptions
  readonly #services = new Map<string, ClientService>()
  #sweeps = 0
  #isClosed = false
  #sweeper: ReturnType<typeof setInterval> | undefined

  constructor(options: KnownServicesOptions) {
    this.#options = options
  }

  /** All known services. */
  all(): readonly ClientService[] {
    return [...this.#services.values()]
  }

  /**
   * The service of that name. @throws SdError `SD_INVALID` for an invalid name; the error of discovery if there are too
   * many services
   */
  find(name: string): ClientService {
    const found = this.#services.get(name)
    if (found) {
      found.usedAt = this.#sweeps
      return found
    }
    checkServiceName('service', name)
    if (this.#services.size >= maxEntries) this.#makeRoom()
    const { interceptors, settingsOf } = this.#options
    const made = new ClientService(this.#findCluster(name), interceptors, settingsOf(name))
    made.usedAt = this.#sweeps
    this.#services.set(name, made)
    if (!this.#isClosed) this.#sweeper ??= setInterval(() => this.#sweep(), sweepMs).unref()
    return made
  }

  /** Ends all of them. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweeper)
    for (const service of this.#services.values()) service.close()
  }

  #findCluster(name: string): Cluster {
    const { discovery } = this.#options
    try {
      return discovery.cluster(name)
    } catch (error) {
      // Discovery follows as many services as it may; some of them may be names that only this client requested.
      if (!(error instanceof SdError) || error.code !== 'SD_TOO_LARGE' || this.#forgetUnknown() === 0) throw error
      return discovery.cluster(name)
    }
  }

  /** Forgets services that are not in use. @returns their number */
  #forget(matches: (service: ClientService) => boolean): number {
    let forgotten = 0
    for (const [name, service] of this.#services) {
      if (service.isInUse || !matches(service)) continue
      this.#services.delete(name)
      service.close()
      forgotten++
    }
    return forgotten
  }

  #forgetUnknown(): number {
    return this.#forget((service) => this.#isUnknown(service))
  }

  #isUnknown(service: ClientService): boolean {
    return !service.wasFound && !this.#options.isConfigured(service.name)
  }

  #makeRoom(): void {
    if (this.#forgetUnknown() > 0) return
    const byAge = this.all()
      .map(({ usedAt }) => usedAt)
      .sort((one, other) => one - other)
    const oldest = byAge[Math.floor(byAge.length / 10)] as number
    this.#forget(({ usedAt }) => usedAt <= oldest)
  }

  #sweep(): void {
    this.#sweeps++
    const retiredBefore = performance.now() - longestRetirementMs
    for (const service of this.#services.values()) service.closeRetired(retiredBefore)
    const { idleMs } = this.#options
    const unknownMs = Math.min(unknownSweeps * sweepMs, idleMs)
    this.#forget((service) => (this.#sweeps - service.usedAt) * sweepMs >= (this.#isUnknown(service) ? unknownMs : idleMs))
    if (this.#services.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }
}

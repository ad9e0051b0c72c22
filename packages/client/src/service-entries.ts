import {
  type AttachedBalancer,
  type AttemptContext,
  type CallContext,
  type CircuitBreaker,
  type Cluster,
  type ClusterExplanation,
  checkKnownKeys,
  checkObject,
  checkServiceName,
  type Interceptor,
  reportStates,
  SdError,
  type StateReport,
  splitPortReference,
} from '@sd/core'
import { ClientService } from './client-service.ts'
import type { DueQueue } from './due-queue.ts'
import type { ResolvedOptions } from './options.ts'
import type { ServicePolicies } from './policies.ts'
import {
  type ClientSettings,
  createBaseSettings,
  type ResolvedService,
  type ResolvedSettings,
  readService,
  type ServiceSettings,
  settingKeys,
} from './settings.ts'
import type { UsualTimes } from './usual-times.ts'

/** Time limits of the calls of one entry. */
export interface ServiceDue {
  /** Deadlines of calls. */
  readonly deadlines: DueQueue
  /** Limits of attempts, which are shorter. */
  readonly limits: DueQueue
  /** Limit of the attempt that began last, in milliseconds; infinite while none had one. Calls expect one like it. */
  lastLimitMs: number
}

/** A service, or one of its operations, as one client calls it, with the settings of the moment. */
export interface ServiceEntry {
  /** Name of the service. */
  readonly service: string
  /** The operation that the settings are for, such as `GET /stock/{id}`; absent for those of the service. */
  readonly operation?: string | undefined
  /** Its endpoints. */
  readonly cluster: Cluster
  /** The balancer at work on them. */
  readonly attached: AttachedBalancer
  /** Its settings. */
  readonly settings: ResolvedSettings
  /** Its policies. */
  readonly policies: ServicePolicies
  /** How long its kinds of requests usually take. */
  readonly usualTimes: UsualTimes
  /** Around every call, the first outermost. */
  readonly callInterceptors: readonly Interceptor<CallContext>[]
  /** Around every attempt, the first outermost. */
  readonly attemptInterceptors: readonly Interceptor<AttemptContext>[]
  /** When its calls must have ended. */
  readonly due: ServiceDue
  /** A call with this entry begins. */
  enter(): void
  /** A call with this entry has ended: its body was read, or it failed. Once for each {@link ServiceEntry.enter}. */
  leave(): void
}

/** Why a service's endpoints get traffic or not, and the state of its policies. */
export interface ServiceExplanation {
  /** Its endpoints. */
  readonly cluster: ClusterExplanation
  /** Name of the balancer. */
  readonly balancer: string
  /** State of its policies, and of those that an operation has of its own. */
  readonly policies: readonly StateReport[]
  /** Its operations, as their settings name them. */
  readonly operations: readonly string[]
}

/** The services that a client calls. */
export interface ServiceEntries {
  /** A service, or the operation of a request, with its settings as of now. Calls keep the one with which they began. */
  get(service: string, method?: string, path?: string): ServiceEntry
  /** Replaces all settings. @throws SdError `SD_INVALID` that names the field, and nothing has changed */
  configure(settings: ClientSettings): void
  /** Replaces the settings of one service; `undefined` for none of its own. @throws SdError `SD_INVALID` that names the field, and nothing has changed */
  configureService(service: string, settings: ServiceSettings | undefined): void
  /** A service's breaker, or that of one of its instances. */
  breaker(service: string, instanceId?: string): CircuitBreaker | undefined
  /** State of a service. */
  explain(service: string): ServiceExplanation
  /** Ends balancers and policies. */
  close(): void
}

interface SettingsInEffect {
  readonly defaults: ResolvedService
  readonly byService: ReadonlyMap<string, ResolvedService>
}

/** How often unused services are looked for, in milliseconds. */
const sweepMs = 1_000
/** A service that never had an instance is forgotten when it was not called for between one and two sweeps. */
const unknownSweeps = 2
/** Most services; beyond that those that are not in use leave, unknown ones first. */
const maxEntries = 10_000
/** Policies that were replaced are closed after this time even if calls use them, in milliseconds: only calls without a time limit last longer. */
const longestRetirementMs = 600_000

/** Keeps a client's services. */
export function createServiceEntries(options: ResolvedOptions): ServiceEntries {
  const { discovery, balancer, headers, interceptors, idleMs } = options
  const base = { ...createBaseSettings(balancer), headers }
  const known = new Map<string, ClientService>()
  let inEffect = read(options.settings)
  let sweeps = 0
  let isClosed = false
  let sweeper: ReturnType<typeof setInterval> | undefined
  const endReports = reportStates(function* () {
    for (const service of known.values()) yield* service.report()
  })

  function read({ services = {}, ...settings }: ClientSettings): SettingsInEffect {
    const defaults = readService('', settings, base)
    const byService = Object.entries(checkObject('services', services)).map(
      ([service, own]) => [service, readService(`services.${service}`, own as ServiceSettings, defaults.settings)] as const,
    )
    return { defaults, byService: new Map(byService) }
  }

  function settingsOf(service: string, { defaults, byService }: SettingsInEffect): ResolvedService {
    const own = byService.get(service)
    if (own) return own
    // A named port has the settings of its service, unless it has its own. Policies are its own in any case.
    const port = splitPortReference(service)
    return (port && byService.get(port.service)) ?? defaults
  }

  /** Changes the settings of some services, of all of them or of none. */
  function apply(services: readonly ClientService[], next: SettingsInEffect): void {
    const prepared: { accept(): void; discard(): void }[] = []
    try {
      for (const service of services) prepared.push(service.prepare(settingsOf(service.name, next)))
    } catch (error) {
      for (const { discard } of prepared) discard()
      throw error
    }
    inEffect = next
    for (const { accept } of prepared) accept()
  }

  function find(name: string): ClientService {
    const found = known.get(name)
    if (found) {
      found.usedAt = sweeps
      return found
    }
    checkServiceName('service', name)
    if (known.size >= maxEntries) makeRoom()
    const cluster = findCluster(name)
    const made = new ClientService(cluster, interceptors, settingsOf(name, inEffect))
    made.usedAt = sweeps
    known.set(name, made)
    if (!isClosed) sweeper ??= setInterval(sweep, sweepMs).unref()
    return made
  }

  function findCluster(name: string): Cluster {
    try {
      return discovery.cluster(name)
    } catch (error) {
      // It follows as many services as it may: those that this client only asked for may be among them.
      if (!(error instanceof SdError) || error.code !== 'SD_TOO_LARGE' || forget(isUnknown) === 0) throw error
      return discovery.cluster(name)
    }
  }

  /** Forgets services that are not in use. @returns how many */
  function forget(matches: (service: ClientService) => boolean): number {
    let forgotten = 0
    for (const [name, service] of known) {
      if (service.isInUse || !matches(service)) continue
      known.delete(name)
      service.close()
      forgotten++
    }
    return forgotten
  }
  function isUnknown(service: ClientService): boolean {
    return !service.wasFound && !inEffect.byService.has(service.name)
  }
  function makeRoom(): void {
    if (forget(isUnknown) > 0) return
    const byAge = [...known.values()].map(({ usedAt }) => usedAt).sort((one, other) => one - other)
    const oldest = byAge[Math.floor(byAge.length / 10)] as number
    forget(({ usedAt }) => usedAt <= oldest)
  }

  function sweep(): void {
    sweeps++
    const retiredBefore = performance.now() - longestRetirementMs
    for (const service of known.values()) service.closeRetired(retiredBefore)
    forget(
      (service) =>
        (sweeps - service.usedAt) * sweepMs >= (isUnknown(service) ? Math.min(unknownSweeps * sweepMs, idleMs) : idleMs),
    )
    if (known.size > 0) return
    clearInterval(sweeper)
    sweeper = undefined
  }

  return {
    get(service, method, path) {
      const { entry, operations } = find(service)
      return (operations && method !== undefined && path !== undefined && operations.find(method, path)) || entry
    },
    configure(settings) {
      checkKnownKeys('', checkObject('settings', settings), [...settingKeys, 'services'])
      apply([...known.values()], read(settings))
    },
    configureService(service, settings) {
      checkServiceName('service', service)
      const byService = new Map(inEffect.byService)
      byService.delete(service)
      if (settings) byService.set(service, readService(`services.${service}`, settings, inEffect.defaults.settings))
      const isMeant = ({ name }: ClientService): boolean => name === service || splitPortReference(name)?.service === service
      apply([...known.values()].filter(isMeant), { ...inEffect, byService })
    },
    breaker(service, instanceId) {
      const { breaker, instanceBreakers } = find(service).entry.policies
      return instanceId === undefined ? breaker : instanceBreakers?.find(instanceId)
    },
    explain: (service) => find(service).explain(),
    close() {
      isClosed = true
      endReports()
      clearInterval(sweeper)
      for (const service of known.values()) service.close()
    },
  }
}

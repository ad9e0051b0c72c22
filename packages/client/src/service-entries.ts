import {
  type AttachedBalancer,
  type AttemptContext,
  type CallContext,
  type CircuitBreaker,
  type Cluster,
  type ClusterExplanation,
  checkKnownKeys,
  checkName,
  checkObject,
  type Interceptor,
  reportStates,
  type StateReport,
} from '@sd/core'
import type { ResolvedOptions } from './options.ts'
import { closePolicies, type MadePolicies, makePolicies, reportPolicies, type ServicePolicies } from './policies.ts'
import {
  type ClientSettings,
  createBaseSettings,
  type ResolvedSettings,
  readSettings,
  type ServiceSettings,
  settingKeys,
} from './settings.ts'

/** A service as one client calls it, with the settings of the moment. */
export interface ServiceEntry {
  /** Name of the service. */
  readonly service: string
  /** Its endpoints. */
  readonly cluster: Cluster
  /** The balancer at work on them. */
  readonly attached: AttachedBalancer
  /** Its settings. */
  readonly settings: ResolvedSettings
  /** Its policies. */
  readonly policies: ServicePolicies
  /** Around every call, the first outermost. */
  readonly callInterceptors: readonly Interceptor<CallContext>[]
  /** Around every attempt, the first outermost. */
  readonly attemptInterceptors: readonly Interceptor<AttemptContext>[]
}

/** Why a service's endpoints get traffic or not, and how its policies are. */
export interface ServiceExplanation {
  /** Its endpoints. */
  readonly cluster: ClusterExplanation
  /** Name of the balancer. */
  readonly balancer: string
  /** How its policies are now. */
  readonly policies: readonly StateReport[]
}

/** The services that a client calls. */
export interface ServiceEntries {
  /** A service with its settings as of now. Calls keep the one with which they began. */
  get(service: string): ServiceEntry
  /** Replaces all settings. @throws SdError `SD_INVALID` that names the field, and nothing has changed */
  configure(settings: ClientSettings): void
  /** Replaces the settings of one service; `undefined` for none of its own. @throws likewise */
  configureService(service: string, settings: ServiceSettings | undefined): void
  /** A service's breaker, or that of one of its instances. */
  breaker(service: string, instanceId?: string): CircuitBreaker | undefined
  /** How a service is now. */
  explain(service: string): ServiceExplanation
  /** Ends balancers and policies. */
  close(): void
}

interface KnownService extends MadePolicies {
  readonly entry: ServiceEntry
}

interface SettingsInForce {
  readonly defaults: ResolvedSettings
  readonly byService: ReadonlyMap<string, ServiceSettings>
}

/** Keeps a client's services. */
export function createServiceEntries(options: ResolvedOptions): ServiceEntries {
  const { discovery, balancer, headers, interceptors } = options
  const base = { ...createBaseSettings(balancer), headers }
  const known = new Map<string, KnownService>()
  let inForce = read(options.settings)
  const endReports = reportStates(function* () {
    for (const [service, { policies }] of known) yield* reportPolicies(service, policies)
  })

  function read({ services = {}, ...settings }: ClientSettings): SettingsInForce {
    const defaults = readSettings('', settings, base)
    const byService = Object.entries(checkObject('services', services)) as [string, ServiceSettings][]
    for (const [service, own] of byService) readSettings(`services.${service}`, own, defaults)
    return { defaults, byService: new Map(byService) }
  }

  function settingsOf(service: string, { defaults, byService }: SettingsInForce): ResolvedSettings {
    const own = byService.get(service)
    return own ? readSettings(`services.${service}`, own, defaults) : defaults
  }

  function make(service: string, settings: ResolvedSettings, before?: KnownService): KnownService {
    const cluster = before?.entry.cluster ?? discovery.cluster(service)
    const made = makePolicies(cluster, settings, before)
    const { policies } = made
    const isSameBalancer = before?.settings.balancer === settings.balancer
    const attached = before && isSameBalancer ? before.entry.attached : cluster.attach(settings.balancer)
    const { call: callInterceptors, attempt: attemptInterceptors } = interceptors
    return { ...made, entry: { service, cluster, attached, settings, policies, callInterceptors, attemptInterceptors } }
  }

  function end({ entry, policies }: KnownService, next?: KnownService): void {
    if (entry.attached !== next?.entry.attached) entry.attached.detach()
    closePolicies(policies, next?.policies)
  }

  /** Takes new settings over as a whole, or not at all. */
  function apply(next: SettingsInForce): void {
    const changed = new Map<string, KnownService>()
    try {
      for (const [service, before] of known) {
        const settings = settingsOf(service, next)
        changed.set(service, make(service, settings, before))
      }
    } catch (error) {
      for (const [service, made] of changed) end(made, known.get(service))
      throw error
    }
    inForce = next
    for (const [service, made] of changed) {
      end(known.get(service) as KnownService, made)
      known.set(service, made)
    }
  }

  function find(service: string): KnownService {
    const found = known.get(service)
    if (found) return found
    const made = make(checkName('service', service), settingsOf(service, inForce))
    known.set(service, made)
    return made
  }

  return {
    get: (service) => find(service).entry,
    configure(settings) {
      checkKnownKeys('', checkObject('settings', settings), [...settingKeys, 'services'])
      apply(read(settings))
    },
    configureService(service, settings) {
      checkName('service', service)
      const byService = new Map(inForce.byService)
      byService.delete(service)
      if (settings) {
        readSettings(`services.${service}`, settings, inForce.defaults)
        byService.set(service, settings)
      }
      apply({ ...inForce, byService })
    },
    breaker(service, instanceId) {
      const { breaker, instanceBreakers } = find(service).policies
      return instanceId === undefined ? breaker : instanceBreakers?.find(instanceId)
    },
    explain(service) {
      const { entry, policies } = find(service)
      const { cluster, settings } = entry
      return {
        cluster: cluster.explain(),
        balancer: settings.balancer.name,
        policies: [...reportPolicies(service, policies)],
      }
    },
    close() {
      endReports()
      for (const made of known.values()) end(made)
    },
  }
}

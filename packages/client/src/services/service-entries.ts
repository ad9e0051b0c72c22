import {
  answerInquiries,
  type CircuitBreaker,
  checkKnownKeys,
  checkObject,
  checkServiceName,
  reportStates,
  splitPortReference,
} from '@sd/core'
import type { ResolvedClientOptions } from '../settings/options.ts'
import {
  type ClientSettings,
  createBaseSettings,
  type ResolvedServiceSettings,
  resolveServiceSettings,
  type ServiceSettings,
  settingKeys,
} from '../settings/settings.ts'
import type { ClientService } from './client-service.ts'
import { KnownServices } from './known-services.ts'
import type { ServiceEntry, ServiceExplanation } from './service-entry.ts'

/** The services that a client calls. */
export interface ServiceEntries {
  /** A service, or the operation of a request, with its current settings. Calls keep the settings with which they began. */
  get(service: string, method?: string, path?: string): ServiceEntry
  /** Replaces all settings. @throws SdError `SD_INVALID` that names the field; then nothing has changed */
  configure(settings: ClientSettings): void
  /**
   * Replaces the settings of one service; `undefined` removes them. @throws SdError `SD_INVALID` that names the field;
   * then nothing has changed
   */
  configureService(service: string, settings: ServiceSettings | undefined): void
  /** The breaker of a service, or of one of its instances. */
  breaker(service: string, instanceId?: string): CircuitBreaker | undefined
  /** State of a service. */
  explain(service: string): ServiceExplanation
  /** Ends balancers and policies. */
  close(): void
}

interface SettingsInEffect {
  readonly defaults: ResolvedServiceSettings
  readonly byService: ReadonlyMap<string, ResolvedServiceSettings>
}

/** Creates the registry of a client's services. */
export function createServiceEntries(options: ResolvedClientOptions): ServiceEntries {
  const base = { ...createBaseSettings(options.balancer), headers: options.headers }
  let inEffect = read(options.settings)
  const known = new KnownServices({
    ...options,
    settingsOf: (service) => settingsOf(service, inEffect),
    isConfigured: (service) => inEffect.byService.has(service),
  })
  const endReports = reportStates(function* () {
    for (const service of known.all()) yield* service.report()
  })
  const endAnswers = answerInquiries('calls', function* ({ service: asked }) {
    for (const service of known.all()) if (asked === undefined || service.name === asked) yield service.answer()
  })

  function read({ services = {}, ...settings }: ClientSettings): SettingsInEffect {
    const defaults = resolveServiceSettings('', settings, base)
    const byService = Object.entries(checkObject('services', services)).map(
      ([service, own]) =>
        [service, resolveServiceSettings(`services.${service}`, own as ServiceSettings, defaults.settings)] as const,
    )
    return { defaults, byService: new Map(byService) }
  }

  /** Changes the settings of all the given services, or of none. */
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

  return {
    get(service, method, path) {
      const { entry, operations } = known.find(service)
      return (operations && method !== undefined && path !== undefined && operations.find(method, path)) || entry
    },
    configure(settings) {
      checkKnownKeys('', checkObject('settings', settings), [...settingKeys, 'services'])
      apply(known.all(), read(settings))
    },
    configureService(service, settings) {
      checkServiceName('service', service)
      const byService = new Map(inEffect.byService)
      byService.delete(service)
      if (settings) byService.set(service, resolveServiceSettings(`services.${service}`, settings, inEffect.defaults.settings))
      const isMeant = ({ name }: ClientService): boolean => name === service || splitPortReference(name)?.service === service
      apply(known.all().filter(isMeant), { ...inEffect, byService })
    },
    breaker(service, instanceId) {
      const { breaker, instanceBreakers } = known.find(service).entry.policies
      return instanceId === undefined ? breaker : instanceBreakers?.find(instanceId)
    },
    explain: (service) => known.find(service).explain(),
    close() {
      endReports()
      endAnswers()
      known.close()
    },
  }
}

function settingsOf(service: string, { defaults, byService }: SettingsInEffect): ResolvedServiceSettings {
  const own = byService.get(service)
  if (own) return own
  // A named port has the settings of its service, unless it has its own. It always has its own policies.
  const port = splitPortReference(service)
  return (port && byService.get(port.service)) ?? defaults
}

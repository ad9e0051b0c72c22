import { checkKnownKeys, checkObject, invalidError } from '@sd/core'
import { type DiscoveryDocumentSettings, readDiscoveryDocument } from './discovery-document.ts'
import { createObjectCache } from './object-cache.ts'
import { documentKeys, type PolicyDocument, readPolicies, withDefaults } from './policy-document.ts'
import { preset } from './resilient.ts'
import type { ClientSettings, OperationSettings, ServiceSettings } from './settings.ts'
import { checkParts, type SettingsParts } from './settings-parts.ts'

/** Contents of a document, for `client.configure` and `discovery.configure`. */
export interface DocumentSettings {
  /** For `ServiceClient.configure`. */
  readonly client: ClientSettings
  /** For `Discovery.configure`. */
  readonly discovery: DiscoveryDocumentSettings
}

/** Reads settings documents. */
export interface SettingsReader {
  /**
   * Reads a document: plain data, parsed from JSON or YAML. The same data as in the previous document yields the same
   * object, so that a client keeps the state of a policy until the data of that policy changes.
   *
   * @throws SdError `SD_INVALID` that names the field by its path; then nothing has changed
   */
  read(document: unknown): DocumentSettings
  /** Closes the rate limiters that it created. Idempotent. */
  close(): Promise<void>
}

/**
 * Creates a reader of settings documents.
 *
 * @throws SdError `SD_INVALID` that names the part
 */
export function createSettingsReader(parts: SettingsParts = {}): SettingsReader {
  checkParts(parts)
  const objects = createObjectCache()

  function readOne(path: string, document: PolicyDocument): ServiceSettings {
    return readPolicies({ path, document, parts, reuse: objects.reuse })
  }

  /** Settings of a service, merged with the defaults, and its operations. */
  function readService(path: string, own: PolicyDocument, defaults: PolicyDocument): ServiceSettings {
    const merged = withDefaults(own, defaults)
    const field = path === '' ? 'operations' : `${path}.operations`
    const operations = Object.entries(checkObject(field, own['operations'] ?? {})).map(([name, given]) => {
      const at = `${field}[${name}]`
      const operation = checkObject(at, given)
      checkKnownKeys(
        at,
        operation,
        documentKeys.filter((key) => !['balancer', 'retryBudget', 'operations', 'resilient'].includes(key)),
      )
      return [name, readOne(at, withDefaults(operation, merged)) as OperationSettings] as const
    })
    return {
      ...readOne(path, merged),
      operations: Object.fromEntries(operations.map(([name, settings]) => [name, omitShared(settings)])),
    }
  }

  return {
    read(given) {
      const document = checkObject('settings', given)
      checkKnownKeys('', document, [...documentKeys, 'services', 'discovery'])
      const { services = {}, discovery = {}, ...all } = document
      const isResilient = all['resilient'] === true
      return objects.transact(() => {
        const base = presetFor('', all, parts)
        const defaults = withDefaults(all, base)
        const byService = Object.entries(checkObject('services', services)).map(([service, own]) => {
          const path = `services.${service}`
          const ownDocument = checkObject(path, own)
          checkKnownKeys(path, ownDocument, documentKeys)
          return [service, readService(path, ownDocument, withDefaults(presetFor(path, ownDocument, parts), defaults))] as const
        })
        return {
          client: { ...readService('', all, base), services: Object.fromEntries(byService) },
          discovery: readDiscoveryDocument({ document: discovery, parts, reuse: objects.reuse, isResilient }),
        }
      })
    },
    close: objects.close,
  }
}

/** The numbers of `resilient()` for the available parts, if the document requests them. */
function presetFor(
  path: string,
  document: PolicyDocument,
  { breaker, retry, hedge, concurrencyLimits }: SettingsParts,
): PolicyDocument {
  const { resilient } = document
  if (resilient === undefined || resilient === false) return {}
  if (resilient !== true) throw invalidError(path === '' ? 'resilient' : `${path}.resilient`, resilient, 'true or false')
  return {
    attemptTimeoutMs: {},
    ...(retry && { retry: {} }),
    ...(hedge && { hedge: preset.hedge }),
    ...(breaker && { breaker: preset.breaker, instanceBreaker: preset.instanceBreaker }),
    ...(concurrencyLimits?.['adaptive'] && { concurrencyLimit: { kind: 'adaptive', ...preset.concurrencyLimit } }),
  }
}

/** An operation shares the balancer, the budget and the instance breakers of its service. */
function omitShared(settings: ServiceSettings): OperationSettings {
  const { balancer: _, retryBudget: __, instanceBreaker, ...own } = settings
  return instanceBreaker === false ? { ...own, instanceBreaker } : own
}

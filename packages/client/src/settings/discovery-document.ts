import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  type EndpointMonitor,
  invalidError,
} from '@sd/core'
import type { Reuse } from './object-cache.ts'
import { atPath } from './settings.ts'
import type { SettingsParts } from './settings-parts.ts'

/** Subset of a service's endpoints that a client uses. */
export interface SubsetDocument {
  /** Number of endpoints. */
  readonly size: number
  /** Distinguishes clients. @default generated */
  readonly clientId?: string
}

/** Settings of one service for `Discovery.configure`. */
export interface DiscoveryServiceSettings {
  /** Monitors of its endpoints. */
  readonly monitors?: readonly EndpointMonitor[]
  /** Subset of its endpoints that is used. */
  readonly subset?: SubsetDocument
}

/** Settings for `Discovery.configure`; see `DiscoveryOptions` for their meaning. */
export interface DiscoveryDocumentSettings extends DiscoveryServiceSettings {
  /** Changes within this time are applied together, in milliseconds. */
  readonly coalesceMs?: number
  /** Time until a new instance has its full weight, in milliseconds. */
  readonly slowStartMs?: number
  /** How steeply its weight grows; see `DiscoveryOptions`. */
  readonly slowStartAggression?: number
  /** Whether this process runs the health checks that instances declare. */
  readonly declaredChecks?: boolean
  /** Share of the endpoints that must be healthy; below it the unhealthy ones are used too. */
  readonly panicThreshold?: number
  /** How long a collapsed list is held back, in milliseconds. */
  readonly emptyGuardMs?: number
  /** How long a first lookup waits, in milliseconds. */
  readonly readyTimeoutMs?: number
  /** An unused service is forgotten after this time, in milliseconds. */
  readonly idleMs?: number
  /** Maximum number of services that are followed. */
  readonly maxServices?: number
  /** Settings by service name. */
  readonly services?: Readonly<Record<string, DiscoveryServiceSettings>>
}

/** Input for reading the discovery part of a document. */
export interface DiscoveryReading {
  /** The discovery part. */
  readonly document: unknown
  /** Factories that it may use. */
  readonly parts: SettingsParts
  /** Keeps what was created from the same data. */
  readonly reuse: Reuse
  /** Whether outlier detection is on by default. */
  readonly isResilient: boolean
}

const durations = ['coalesceMs', 'slowStartMs', 'emptyGuardMs', 'readyTimeoutMs', 'idleMs'] as const
const serviceKeys = ['outlierDetection', 'subset'] as const

/** Reads the discovery part. @throws SdError `SD_INVALID` that names the field */
export function readDiscoveryDocument(reading: DiscoveryReading): DiscoveryDocumentSettings {
  const document = checkObject('discovery', reading.document)
  const others = ['declaredChecks', 'slowStartAggression', 'panicThreshold', 'maxServices', 'services']
  checkKnownKeys('discovery', document, [...durations, ...serviceKeys, ...others])
  const { services = {}, declaredChecks, slowStartAggression, panicThreshold, maxServices } = document
  const settings: Record<string, unknown> = {}
  for (const name of durations) {
    if (document[name] !== undefined) settings[name] = checkDuration(`discovery.${name}`, document[name])
  }
  if (declaredChecks !== undefined) settings['declaredChecks'] = checkBoolean('discovery.declaredChecks', declaredChecks)
  if (slowStartAggression !== undefined) {
    settings['slowStartAggression'] = checkNumber('discovery.slowStartAggression', slowStartAggression, { min: 0.1, max: 100 })
  }
  if (panicThreshold !== undefined) {
    settings['panicThreshold'] = checkNumber('discovery.panicThreshold', panicThreshold, { min: 0, max: 1 })
  }
  if (maxServices !== undefined) {
    settings['maxServices'] = checkInteger('discovery.maxServices', maxServices, { min: 1, max: 1_000_000 })
  }
  const detection = document['outlierDetection'] ?? (reading.isResilient && reading.parts.outlierDetection ? {} : undefined)
  const byService = Object.entries(checkObject('discovery.services', services)).map(([service, own]) => {
    const path = `discovery.services.${service}`
    const given = checkObject(path, own)
    checkKnownKeys(path, given, serviceKeys)
    return [service, readServicePart(reading, path, given, detection)] as const
  })
  return {
    ...settings,
    ...readServicePart(reading, 'discovery', { ...document, outlierDetection: detection }, undefined),
    services: Object.fromEntries(byService),
  }
}

function readServicePart(
  { parts, reuse }: DiscoveryReading,
  path: string,
  { outlierDetection, subset }: Readonly<Record<string, unknown>>,
  detectionOfAll: unknown,
): DiscoveryServiceSettings {
  return {
    ...(subset !== undefined && { subset: readSubset(`${path}.subset`, subset) }),
    ...readDetection(),
  }

  function readDetection(): { monitors?: readonly EndpointMonitor[] } {
    if (outlierDetection === undefined) return {}
    if (outlierDetection === false || outlierDetection === null) return { monitors: [] }
    const at = `${path}.outlierDetection`
    const own = outlierDetection === true ? {} : checkObject(at, outlierDetection)
    const all = typeof detectionOfAll === 'object' ? detectionOfAll : {}
    const make = parts.outlierDetection
    if (!make) throw invalidError(at, 'rules', 'none, or pass the part outlierDetection to createSettingsReader')
    return { monitors: reuse('outlierDetection', { ...all, ...own }, (data) => [atPath(at, () => make(data as never))]) }
  }
}

function readSubset(path: string, given: unknown): SubsetDocument {
  const { size, clientId } = checkObject(path, given)
  checkKnownKeys(path, given as object, ['size', 'clientId'])
  return {
    size: checkInteger(`${path}.size`, size, { min: 1, max: 1_000_000 }),
    ...(clientId !== undefined && { clientId: checkName(`${path}.clientId`, clientId) }),
  }
}

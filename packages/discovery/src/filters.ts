import {
  checkName,
  checkObject,
  checkOneOf,
  HEALTH_STATUSES,
  type HealthStatus,
  invalidError,
  type Locality,
  type ServiceInstance,
} from '@sd/core'
import Range from 'semver/classes/range.js'

/** Returns whether to keep an instance. */
export type InstanceFilter = (instance: ServiceInstance) => boolean

/**
 * Keeps instances whose version is in a semver range, such as `^1.2.0`. Pre-release versions are treated like any other
 * version. Instances without a version, or whose version is not valid semver, are left out.
 *
 * @throws SdError `SD_INVALID` if the range is not valid
 */
export function byVersion(range: string): InstanceFilter {
  const wanted = parseRange(range)
  return ({ version }) => version !== undefined && wanted.test(version)
}

/** Keeps instances that have all of these tags. */
export function byTags(...tags: readonly string[]): InstanceFilter {
  for (const [index, tag] of tags.entries()) checkName(`tags[${index}]`, tag)
  return (instance) => tags.every((tag) => instance.tags.includes(tag))
}

/** Keeps instances whose metadata contains all of these values. */
export function byMetadata(values: Readonly<Record<string, string>>): InstanceFilter {
  const wanted = Object.entries(checkObject('values', values))
  return ({ metadata }) => wanted.every(([key, value]) => metadata[key] === value)
}

/** Keeps instances in this region, zone and sub-zone. Omitted fields match everything. */
export function byLocality(locality: Locality): InstanceFilter {
  const { region, zone, subZone } = checkObject('locality', locality) as Locality
  return (instance) =>
    (region === undefined || instance.locality?.region === region) &&
    (zone === undefined || instance.locality?.zone === zone) &&
    (subZone === undefined || instance.locality?.subZone === subZone)
}

/** Keeps instances of one of these statuses. */
export function byHealth(...statuses: readonly HealthStatus[]): InstanceFilter {
  for (const [index, status] of statuses.entries()) {
    checkOneOf(`statuses[${index}]`, status, HEALTH_STATUSES)
  }
  return ({ health }) => statuses.includes(health.status)
}

/** Keeps instances that pass all of these filters. */
export function allOf(...filters: readonly InstanceFilter[]): InstanceFilter {
  return (instance) => filters.every((filter) => filter(instance))
}

function parseRange(range: string): Range {
  try {
    return new Range(range, { includePrerelease: true })
  } catch {
    throw invalidError('range', range, 'a semver range such as ^1.2.0')
  }
}

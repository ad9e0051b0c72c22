import { checkServiceName } from '../names.ts'
import {
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
  checkText,
  invalidError,
} from '../validate.ts'
import { readIpAddress } from './ip-address.ts'
import { checkHealthCheck, checkPorts, sameHealthCheck } from './ports-and-checks.ts'
import {
  HEALTH_STATUSES,
  type HealthSpec,
  type InstanceHealth,
  type InstanceSpec,
  type InstanceUpdate,
  type Locality,
  type ServiceInstance,
} from './service-instance.ts'

/** Prefix of the metadata keys in which adapters store fields that their backend does not support. */
export const RESERVED_METADATA_PREFIX = 'sd.'

const specKeys = [
  'service',
  'address',
  'port',
  'ports',
  'id',
  'protocol',
  'version',
  'weight',
  'priority',
  'tags',
  'metadata',
  'locality',
  'health',
  'healthCheck',
  'needs',
  'ttlMs',
] as const
const updateKeys = [
  'protocol',
  'ports',
  'version',
  'weight',
  'priority',
  'tags',
  'metadata',
  'locality',
  'health',
  'healthCheck',
  'needs',
] as const
const share = { min: 0, max: 65_535 }
const maxLabels = 256
const none: Readonly<Record<string, never>> = Object.freeze({})
const noTexts: readonly string[] = Object.freeze([])
const hostName = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i

/**
 * Text that resolvers accept as an IPv4 address in another notation, such as `010.0.0.1` (octal), `0x7f.1` or
 * `2130706433`; as in the URL standard.
 */
const endsInNumber = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i

/** Normalises an IPv6 address (RFC 5952), because two spellings of one address would be two instances. */
function checkAddress(value: unknown): string {
  if (typeof value === 'string') {
    if (value.includes(':')) {
      const address = URL.canParse(`http://[${value}]`) ? readIpAddress(value) : undefined
      if (address !== undefined) return address
    } else if (hostName.test(value) && (!endsInNumber.test(value) || readIpAddress(value) === value)) return value
  }
  throw invalidError('address', value, 'a host name, an IPv4 address or an IPv6 address without brackets')
}

function checkProtocol(value: unknown): string {
  if (typeof value === 'string' && /^[a-z][a-z0-9+.-]{0,31}$/.test(value)) return value
  throw invalidError('protocol', value, 'a protocol in lower case, such as http or grpc')
}

function checkTags(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > maxLabels)
    throw invalidError('tags', value, `an array of at most ${maxLabels} strings`)
  return Object.freeze([...new Set(value.map((tag, index) => checkName(`tags[${index}]`, tag)))])
}

/** Sorted, because their order means nothing. */
function withNeeds(value: unknown): { readonly needs?: readonly string[] } {
  if (value === undefined || value === null) return {}
  if (!Array.isArray(value) || value.length > maxLabels)
    throw invalidError('needs', value, `an array of at most ${maxLabels} names of services`)
  const needs = value.map((name, index) => checkServiceName(`needs[${index}]`, name))
  return needs.length === 0 ? {} : { needs: Object.freeze([...new Set(needs)].sort()) }
}

function checkLabels(field: string, value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(checkObject(field, value))
  if (entries.length > maxLabels) throw invalidError(field, `${entries.length} entries`, `at most ${maxLabels} entries`)
  const labels: Record<string, string> = Object.create(null)
  for (const [key, label] of entries) {
    const path = `${field}[${JSON.stringify(key.slice(0, 60))}]`
    checkName(`${field} key`, key)
    if (key.startsWith(RESERVED_METADATA_PREFIX)) {
      throw invalidError(path, 'a key with a reserved prefix', `a key that does not start with ${RESERVED_METADATA_PREFIX}`)
    }
    labels[key] = checkText(path, label, 65_536)
  }
  return Object.freeze(labels)
}

function checkLocality(value: unknown): Locality {
  const parts = checkObject('locality', value)
  checkKnownKeys('locality', parts, ['region', 'zone', 'subZone'])
  const locality: { -readonly [K in keyof Locality]: Locality[K] } = {}
  for (const key of ['region', 'zone', 'subZone'] as const) {
    if (parts[key] !== undefined) locality[key] = checkName(`locality.${key}`, parts[key])
  }
  return Object.freeze(locality)
}

function checkHealth(value: HealthSpec, now: number): InstanceHealth {
  const spec = typeof value === 'string' ? { status: value } : checkObject('health', value)
  checkKnownKeys('health', spec, ['status', 'message', 'checkedAt', 'details'])
  const { message, checkedAt, details } = spec as Exclude<HealthSpec, string>
  return Object.freeze({
    status: checkOneOf('health.status', spec['status' as never], HEALTH_STATUSES),
    ...(message !== undefined && { message: checkText('health.message', message, 1_024) }),
    checkedAt:
      checkedAt === undefined ? now : checkNumber('health.checkedAt', checkedAt, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    ...(details !== undefined && { details: checkLabels('health.details', details) }),
  })
}

/** Timestamps of an instance that already exists in a backend. */
export interface InstanceTimestamps {
  /** When it was first registered, in Unix milliseconds. @default now */
  readonly createdAt?: number
  /** When its data last changed, in Unix milliseconds. @default `createdAt` */
  readonly updatedAt?: number
}

/**
 * Creates a validated, deeply frozen instance.
 *
 * @throws SdError `SD_INVALID` that names the field, the value and what is allowed; unknown fields are rejected
 */
export function createServiceInstance(spec: InstanceSpec, at: InstanceTimestamps = {}): ServiceInstance {
  checkKnownKeys('', checkObject('instance', spec), specKeys)
  const createdAt = at.createdAt ?? Date.now()
  const address = checkAddress(spec.address)
  const port = checkInteger('port', spec.port, { min: 1, max: 65_535 })
  const ports = spec.ports === undefined ? undefined : checkPorts(spec.ports)
  return Object.freeze({
    id: checkName('id', spec.id ?? `${address}:${port}`),
    service: checkServiceName('service', spec.service),
    address,
    port,
    ...(ports && { ports }),
    protocol: checkProtocol(spec.protocol ?? 'http'),
    ...(spec.version !== undefined && { version: checkName('version', spec.version) }),
    weight: checkNumber('weight', spec.weight ?? 1, share),
    priority: checkInteger('priority', spec.priority ?? 0, share),
    tags: checkTags(spec.tags ?? []),
    metadata: checkLabels('metadata', spec.metadata ?? {}),
    ...(spec.locality !== undefined && { locality: checkLocality(spec.locality) }),
    health: checkHealth(spec.health ?? 'healthy', createdAt),
    ...(spec.healthCheck !== undefined && { healthCheck: checkHealthCheck(spec.healthCheck) }),
    ...withNeeds(spec.needs),
    createdAt,
    updatedAt: at.updatedAt ?? createdAt,
    ...(spec.ttlMs !== undefined && { ttlMs: checkDuration('ttlMs', spec.ttlMs, 100) }),
  })
}

/**
 * Returns a copy of `instance` with the change applied and `updatedAt` set. `instance` itself is unchanged.
 *
 * @throws SdError `SD_INVALID` that names the field; the change is then rejected as a whole
 */
export function updateServiceInstance(
  instance: ServiceInstance,
  update: InstanceUpdate,
  now: number = Date.now(),
): ServiceInstance {
  checkKnownKeys('', checkObject('update', update), updateKeys)
  const { version, locality, ports, healthCheck, needs, ...kept } = instance
  const nextVersion = update.version === undefined ? version : update.version
  const nextLocality = update.locality === undefined ? locality : update.locality
  const nextPorts = update.ports == null ? (update.ports === undefined ? ports : undefined) : checkPorts(update.ports)
  const nextCheck = update.healthCheck === undefined ? healthCheck : update.healthCheck
  return Object.freeze({
    ...kept,
    ...(update.protocol !== undefined && { protocol: checkProtocol(update.protocol) }),
    ...(nextPorts && { ports: nextPorts }),
    ...(nextVersion != null && { version: checkName('version', nextVersion) }),
    ...(update.weight !== undefined && { weight: checkNumber('weight', update.weight, share) }),
    ...(update.priority !== undefined && { priority: checkInteger('priority', update.priority, share) }),
    ...(update.tags !== undefined && { tags: checkTags(update.tags) }),
    ...(update.metadata !== undefined && { metadata: checkLabels('metadata', update.metadata) }),
    ...(nextLocality != null && { locality: checkLocality(nextLocality) }),
    ...(update.health !== undefined && { health: checkHealth(update.health, now) }),
    ...(nextCheck != null && { healthCheck: checkHealthCheck(nextCheck) }),
    ...withNeeds(update.needs === undefined ? needs : update.needs),
    updatedAt: now,
  })
}

/**
 * Whether two instances are equal, apart from their timestamps (`createdAt`, `updatedAt`, `health.checkedAt`): a
 * heartbeat is not a change.
 */
export function sameInstance(a: ServiceInstance, b: ServiceInstance): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.service === b.service &&
      a.address === b.address &&
      a.port === b.port &&
      a.protocol === b.protocol &&
      a.version === b.version &&
      a.weight === b.weight &&
      a.priority === b.priority &&
      a.ttlMs === b.ttlMs &&
      a.health.status === b.health.status &&
      a.health.message === b.health.message &&
      a.locality?.region === b.locality?.region &&
      a.locality?.zone === b.locality?.zone &&
      a.locality?.subZone === b.locality?.subZone &&
      sameTexts(a.tags, b.tags) &&
      sameTexts(a.needs ?? noTexts, b.needs ?? noTexts) &&
      sameLabels(a.ports ?? none, b.ports ?? none) &&
      sameHealthCheck(a.healthCheck, b.healthCheck) &&
      sameLabels(a.metadata, b.metadata) &&
      sameLabels(a.health.details ?? none, b.health.details ?? none))
  )
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}

function sameLabels<T extends string | number>(a: Readonly<Record<string, T>>, b: Readonly<Record<string, T>>): boolean {
  if (a === b) return true
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}

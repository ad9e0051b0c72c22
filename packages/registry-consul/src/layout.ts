import { createHash } from 'node:crypto'
import { encodeInstance, kratosEndpoints } from '@sd/adapter-kit'
import { escapeName, isSecureProtocol, SdError, type ServiceInstance, unescapeName } from '@sd/core'
import { describeCheck, type HealthCheckSettings, readDeclaredCheck } from './health-checks.ts'

// How an instance is stored in Consul. The notes of its heartbeat check hold the complete JSON document: they are the
// only field that takes any text of any length, is part of every listing of the service, and stays out of the catalog's
// list of services. Name, address, port, tags, weight, and the metadata that fits are written for other tools and not
// read again.

/** Prefix of a heartbeat check's id, followed by the incarnation. */
const heartbeatPrefix = 'sd:'

/** Largest document, in bytes. Consul accepts more, but advises against raft entries above 1.5 MiB. */
const maxDocumentBytes = 1_000_000

/** Consul's minimum time before it removes a critical service, in milliseconds. */
const minReapMs = 60_000

/** Consul's limits for metadata: number of pairs, characters per key, bytes per value. */
const maxPairs = 64
const metadataKey = /^(?!consul-)[A-Za-z0-9_-]{1,128}$/
const maxValueBytes = 512

/** Returns the name of a service in Consul. */
export function serviceName(prefix: string, service: string): string {
  return prefix + escapeName(service)
}

/** Returns the service that a Consul name stands for, or `undefined` for names without the prefix. */
export function readServiceName(prefix: string, name: string): string | undefined {
  return name.startsWith(prefix) && name.length > prefix.length ? unescapeName(name.slice(prefix.length)) : undefined
}

/**
 * Returns the id of an instance on the agent. It is unique among all services, also where case is ignored, as in
 * Consul's catalog.
 */
export function serviceId(name: string, instanceId: string): string {
  const id = `${name}:${escapeName(instanceId)}`
  return id === id.toLowerCase() ? id : `${id}:${createHash('sha256').update(id).digest('hex').slice(0, 12)}`
}

/** Returns the instance's id from an id that {@link serviceId} made. */
export function readInstanceId(name: string, id: string): string {
  return unescapeName(id.slice(name.length + 1).split(':', 1)[0] as string)
}

/**
 * Returns the id of the heartbeat check. It contains the incarnation, so that a heartbeat of a replaced registration
 * does not find its check.
 */
export function heartbeatId(incarnation: string): string {
  return heartbeatPrefix + incarnation
}

/** Returns the incarnation in a heartbeat check's id. */
export function readHeartbeat(checkId: string): string {
  return checkId.slice(heartbeatPrefix.length)
}

/** Whether a check is a heartbeat check of ours. */
export function isHeartbeat(checkId: string): boolean {
  return checkId.startsWith(heartbeatPrefix)
}

/** Registration data that is not part of the instance. */
export interface ConsulPlacement {
  /** The service's name in Consul. */
  readonly name: string
  readonly incarnation: string
  readonly ttlMs: number
  readonly healthChecks: readonly HealthCheckSettings[]
}

/** Returns the body of a registration request. */
export function describeInstance(instance: ServiceInstance, { name, incarnation, ttlMs, healthChecks }: ConsulPlacement): object {
  const { address, port, weight } = instance
  const declared = instance.healthCheck && readDeclaredCheck(instance.healthCheck, instance)
  const checks = [...healthChecks, ...(declared ? [declared] : [])].map((check, index) =>
    describeCheck(check, instance, `sd-check-${index}:${incarnation}`),
  )
  return {
    ID: serviceId(name, instance.id),
    Name: name,
    Address: address,
    Port: port,
    Tags: readableTags(instance),
    Meta: readableMetadata(instance),
    TaggedAddresses: taggedAddresses(instance),
    Weights: { Passing: Math.max(1, Math.round(weight)), Warning: 1 },
    Checks: [
      {
        CheckID: heartbeatId(incarnation),
        Name: 'heartbeat',
        Notes: encodeInstance(instance, incarnation),
        TTL: `${ttlMs}ms`,
        Status: isHealthy(instance) ? 'passing' : 'warning',
        DeregisterCriticalServiceAfter: `${Math.max(minReapMs, ttlMs * 3)}ms`,
      },
      ...checks,
    ],
  }
}

/** Whether a heartbeat passes; otherwise it warns. Critical is reserved for a missing heartbeat. */
export function isHealthy({ health: { status } }: ServiceInstance): boolean {
  return status === 'healthy' || status === 'unknown'
}

/** @throws SdError `SD_TOO_LARGE` */
export function checkSize(instance: ServiceInstance): void {
  const bytes = Buffer.byteLength(JSON.stringify(instance))
  if (bytes <= maxDocumentBytes) return
  throw new SdError('SD_TOO_LARGE', `instance ${instance.id} has ${bytes} bytes, want at most ${maxDocumentBytes}`)
}

/** Adds the version as a tag, which Kratos reads. */
function readableTags({ tags, version }: ServiceInstance): readonly string[] {
  const isNamed = version === undefined || tags.some((tag) => tag.startsWith('version='))
  return isNamed ? tags : [...tags, `version=${version}`]
}

/** Tagged addresses that Consul itself uses. */
const consulsOwn: ReadonlySet<string> = new Set(['lan', 'wan'])

/** Returns tagged addresses for Kratos: its endpoints as URLs, by scheme. */
function taggedAddresses(
  instance: ServiceInstance,
): Readonly<Record<string, { readonly Address: string; readonly Port: number }>> {
  const endpoints = [...kratosEndpoints(instance)].filter(([name]) => !consulsOwn.has(name))
  return Object.fromEntries(endpoints.map(([name, { url, port }]) => [name, { Address: url, Port: port }]))
}

function readableMetadata({ version, protocol, metadata }: ServiceInstance): Readonly<Record<string, string>> {
  const fits = ([key, value]: readonly [string, string]): boolean =>
    metadataKey.test(key) && Buffer.byteLength(value) <= maxValueBytes
  const all = {
    ...(version !== undefined && { version }),
    // Spring Cloud reads this.
    ...(isSecureProtocol(protocol) && { secure: 'true' }),
    ...metadata,
  }
  return Object.fromEntries(Object.entries(all).filter(fits).slice(0, maxPairs))
}

import { createHash } from 'node:crypto'
import { encodeInstance, kratosEndpoints } from '@sd/adapter-kit'
import { escapeName, isSecureProtocol, SdError, type ServiceInstance, unescapeName } from '@sd/core'
import { describeCheck, type HealthCheckSettings, readDeclaredCheck } from './health-checks.ts'

// How an instance is laid out on Consul. The whole of it is the JSON document in the notes of its heartbeat check: the only field that takes
// any text of any length, comes along in every listing of the service, and stays out of the catalogue's list of services. Name, address,
// port, tags, weight and what fits of the metadata are there for other tools; they are not read again.

/** What the id of a heartbeat check begins with; the incarnation follows. */
const heartbeatPrefix = 'sd:'

/** Largest document, in bytes. Consul would take more, but advises against raft entries above 1.5 MiB. */
const maxDocumentBytes = 1_000_000

/** Consul's own minimum for removing what is critical, in milliseconds. */
const minReapMs = 60_000

/** Consul's limits of metadata: pairs, characters of keys, bytes of values. */
const maxPairs = 64
const metadataKey = /^(?!consul-)[A-Za-z0-9_-]{1,128}$/
const maxValueBytes = 512

/** The name of a service on Consul. */
export function serviceName(prefix: string, service: string): string {
  return prefix + escapeName(service)
}

/** The service that a name on Consul stands for; `undefined` for names without the prefix. */
export function readServiceName(prefix: string, name: string): string | undefined {
  return name.startsWith(prefix) && name.length > prefix.length ? unescapeName(name.slice(prefix.length)) : undefined
}

/** The id on the agent: unique among all services, and also where upper and lower case are the same, as they are in Consul's catalogue. */
export function serviceId(name: string, instanceId: string): string {
  const id = `${name}:${escapeName(instanceId)}`
  return id === id.toLowerCase() ? id : `${id}:${createHash('sha256').update(id).digest('hex').slice(0, 12)}`
}

/** The instance's id in what {@link serviceId} made. */
export function readInstanceId(name: string, id: string): string {
  return unescapeName(id.slice(name.length + 1).split(':', 1)[0] as string)
}

/** Id of the check that heartbeats pass. It holds the incarnation, so that a heartbeat of one that was replaced finds no check. */
export function heartbeatId(incarnation: string): string {
  return heartbeatPrefix + incarnation
}

/** The incarnation that a heartbeat's id holds. */
export function readHeartbeat(checkId: string): string {
  return checkId.slice(heartbeatPrefix.length)
}

/** Whether a check is a heartbeat of ours. */
export function isHeartbeat(checkId: string): boolean {
  return checkId.startsWith(heartbeatPrefix)
}

/** What the agent is told of an instance. */
export interface ConsulPlacement {
  /** Its service's name on Consul. */
  readonly name: string
  readonly incarnation: string
  readonly ttlMs: number
  readonly healthChecks: readonly HealthCheckSettings[]
}

/** The body of a registration. */
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

/** Whether heartbeats pass, rather than warn. Critical is kept for the heartbeat that is missing. */
export function isHealthy({ health: { status } }: ServiceInstance): boolean {
  return status === 'healthy' || status === 'unknown'
}

/** @throws SdError `SD_TOO_LARGE` */
export function checkSize(instance: ServiceInstance): void {
  const bytes = Buffer.byteLength(JSON.stringify(instance))
  if (bytes <= maxDocumentBytes) return
  throw new SdError('SD_TOO_LARGE', `instance ${instance.id} has ${bytes} bytes, Consul should take at most ${maxDocumentBytes}`)
}

/** Kratos has the version in a tag. */
function readableTags({ tags, version }: ServiceInstance): readonly string[] {
  const isNamed = version === undefined || tags.some((tag) => tag.startsWith('version='))
  return isNamed ? tags : [...tags, `version=${version}`]
}

/** Names of tagged addresses that mean something to Consul itself. */
const consulsOwn: ReadonlySet<string> = new Set(['lan', 'wan'])

/** Kratos has its endpoints as URLs in the tagged addresses, each under its scheme. */
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
    // For Spring Cloud.
    ...(isSecureProtocol(protocol) && { secure: 'true' }),
    ...metadata,
  }
  return Object.fromEntries(Object.entries(all).filter(fits).slice(0, maxPairs))
}

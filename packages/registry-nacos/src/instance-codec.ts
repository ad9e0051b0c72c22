import { buildForeignInstance, dubboPorts, dubboProtocol } from '@sd/adapter-kit'
import {
  type HealthCheckSpec,
  type HealthSpec,
  invalidError,
  isSecureProtocol,
  type Locality,
  RESERVED_METADATA_PREFIX,
  SdError,
  type ServiceInstance,
} from '@sd/core'

/** An instance in Nacos' own format. */
export interface NacosInstance {
  readonly ip: string
  readonly port: number
  /** 0 to 10,000. */
  readonly weight: number
  readonly healthy: boolean
  readonly enabled: boolean
  readonly ephemeral: boolean
  readonly clusterName: string
  readonly metadata: Readonly<Record<string, string>>
}

/** The fields by which Nacos identifies an instance. */
export type NacosInstanceKey = Pick<NacosInstance, 'ip' | 'port' | 'clusterName' | 'ephemeral'>

/** Settings of the registration that are not part of the instance. */
export interface EncodeOptions {
  /** Cluster in which the instance is registered. */
  readonly cluster: string
  /** Whether the instance stays without heartbeats. */
  readonly persistent: boolean
}

/**
 * Metadata that sets Nacos' heartbeat timeouts, as fractions of the time to live: for 15 s these are Nacos' defaults of
 * 5, 15 and 30 s.
 */
const lifetimeKeys = {
  'preserved.heart.beat.interval': 1 / 3,
  'preserved.heart.beat.timeout': 1,
  'preserved.ip.delete.timeout': 2,
} as const

const maxWeight = 10_000

/**
 * Converts an instance to Nacos' format. Fields that Nacos lacks go into metadata with the prefix `sd.`. Version and
 * TLS use the conventional keys `version` and `secure`, unless the caller uses those keys for something else.
 *
 * @throws SdError `SD_INVALID` for metadata that this adapter must set itself
 */
export function encodeInstance(instance: ServiceInstance, { cluster, persistent }: EncodeOptions): NacosInstance {
  const { address, port, weight, protocol, version, priority, tags, locality, ttlMs, createdAt, updatedAt } = instance
  const { ports, healthCheck, needs } = instance
  const served = servedWeight(weight, instance.health.status)
  const metadata: Record<string, string> = { ...instance.metadata }
  for (const key of Object.keys(lifetimeKeys)) {
    if (Object.hasOwn(metadata, key))
      throw invalidError(`metadata["${key}"]`, metadata[key], 'this key to be absent; set ttlMs instead')
  }
  metadata['sd.id'] = instance.id
  metadata['sd.createdAt'] = String(createdAt)
  if (updatedAt !== createdAt) metadata['sd.updatedAt'] = String(updatedAt)
  // Some servers store weights with single precision.
  if (served !== weight || Math.fround(weight) !== weight) metadata['sd.weight'] = String(weight)
  if (Object.hasOwn(metadata, 'version')) metadata['sd.version'] = version ?? ''
  else if (version !== undefined) metadata['version'] = version
  const isHttp = /^https?$/.test(protocol)
  if (Object.hasOwn(metadata, 'secure') || !isHttp) metadata['sd.protocol'] = protocol
  if (!Object.hasOwn(metadata, 'secure') && isSecureProtocol(protocol)) {
    metadata['secure'] = 'true'
    // Together with `sd.protocol`, `secure` would be read as the caller's own key.
    if (!isHttp) metadata['sd.secure'] = 'set'
  }
  // Kratos treats an instance without a kind as gRPC.
  if (Object.hasOwn(metadata, 'kind')) metadata['sd.kind'] = 'own'
  else metadata['kind'] = protocol
  if (priority !== 0) metadata['sd.priority'] = String(priority)
  if (tags.length > 0) metadata['sd.tags'] = JSON.stringify(tags)
  if (locality) metadata['sd.locality'] = JSON.stringify(locality)
  if (ports) metadata['sd.ports'] = JSON.stringify(ports)
  if (healthCheck) metadata['sd.healthCheck'] = JSON.stringify(healthCheck)
  if (needs) metadata['sd.needs'] = JSON.stringify(needs)
  const health = encodeHealth(instance.health)
  if (health !== undefined) metadata['sd.health'] = health
  if (ttlMs !== undefined && !persistent) {
    for (const [key, share] of Object.entries(lifetimeKeys)) metadata[key] = String(Math.round(ttlMs * share))
  }
  return {
    ip: address,
    port,
    weight: served,
    healthy: true,
    enabled: true,
    ephemeral: !persistent,
    clusterName: cluster,
    metadata,
  }
}

/**
 * Returns the weight that other Nacos clients see. A heartbeat makes any instance healthy again, and a disabled
 * instance is not listed at all, so an instance that does not want traffic has weight 0, which every client respects.
 */
function servedWeight(weight: number, status: ServiceInstance['health']['status']): number {
  return status === 'draining' || status === 'unhealthy' ? 0 : Math.min(weight, maxWeight)
}

function encodeHealth({ status, message, details }: ServiceInstance['health']): string | undefined {
  if (message !== undefined || details !== undefined) return JSON.stringify({ status, message, details })
  return status === 'healthy' ? undefined : JSON.stringify({ status })
}

/**
 * Reads an instance from a Nacos list: one of ours, or of another tool.
 *
 * @throws SdError `SD_MALFORMED`
 */
export function decodeInstance(service: string, host: unknown): ServiceInstance {
  const { metadata, ...native } = readHost(service, host)
  const { ip: address, port } = native
  const id = metadata['sd.id']
  if (id === undefined) return decodeForeign(service, native, metadata)
  const owned = new Set<string>(Object.keys(lifetimeKeys))
  const version = metadata['sd.version'] ?? metadata['version']
  if (metadata['sd.version'] === undefined) owned.add('version')
  const protocol = metadata['sd.protocol'] ?? (metadata['secure'] === 'true' ? 'https' : 'http')
  if (metadata['sd.protocol'] === undefined || metadata['sd.secure'] !== undefined) owned.add('secure')
  if (metadata['sd.kind'] === undefined) owned.add('kind')
  const declared = parse<Exclude<HealthSpec, string>>(metadata['sd.health']) ?? { status: 'healthy' }
  const ttlMs = Number(metadata['preserved.heart.beat.timeout'])
  const createdAt = Number(metadata['sd.createdAt'])
  const updatedAt = Number(metadata['sd.updatedAt'] ?? createdAt)
  return buildForeignInstance(
    {
      service,
      id,
      address,
      port,
      ports: parse<Readonly<Record<string, number>>>(metadata['sd.ports']),
      protocol,
      ...(version && { version }),
      weight: readWeight(native.weight, metadata['sd.weight'], declared.status),
      priority: Number(metadata['sd.priority'] ?? 0),
      tags: parse<readonly string[]>(metadata['sd.tags']),
      metadata: visible(metadata, owned),
      locality: parse<Locality>(metadata['sd.locality']),
      health: judge(native, { ...declared, checkedAt: updatedAt }),
      healthCheck: parse<HealthCheckSpec>(metadata['sd.healthCheck']),
      needs: parse<readonly string[]>(metadata['sd.needs']),
      ...(ttlMs > 0 && { ttlMs }),
    },
    { createdAt, updatedAt },
  )
}

/** The status in Nacos takes precedence over the health that the instance reports. */
function judge({ healthy, enabled }: Host, declared: HealthSpec): HealthSpec {
  if (!enabled) return { status: 'draining', message: 'disabled in Nacos' }
  if (!healthy) return { status: 'unhealthy', message: 'heartbeats or checks fail in Nacos' }
  return declared
}

/** Returns the instance's own weight, unless an operator has set another one in Nacos. */
function readWeight(native: number, own: string | undefined, status: ServiceInstance['health']['status']): number {
  // A value near 1 stands for exactly 1, see verify.ts.
  if (own === undefined) return Math.abs(native - 1) <= 1e-5 ? 1 : native
  const served = servedWeight(Number(own), status)
  return Math.abs(served - native) <= Math.max(1, served) * 1e-5 ? Number(own) : native
}

function decodeForeign(service: string, host: Host, metadata: Metadata): ServiceInstance {
  const { ip: address, port, foreignId: id } = host
  const { version } = metadata
  return buildForeignInstance({
    service,
    id,
    address,
    port,
    ports: dubboPorts(metadata['dubbo.endpoints']),
    protocol: foreignProtocol(metadata, port),
    ...(version && version.length <= 255 && version.trim() === version && { version }),
    weight: foreignWeight(host.weight, metadata),
    metadata: visible(metadata, new Set()),
    health: judge(host, 'healthy'),
  })
}

/** A Dubbo provider has its weight in the metadata. Nacos' own weight is then 1 unless an operator has set another. */
function foreignWeight(native: number, { side, weight }: Metadata): number {
  const isDubbo = side === 'provider' && weight !== undefined && /^\d{1,5}$/.test(weight)
  return isDubbo && native === 1 ? Math.min(Number(weight), 65_535) : native
}

/**
 * Returns the protocol of another tool's instance: Spring Cloud sets `secure`, Dubbo `protocol` or, for whole
 * applications, `dubbo.endpoints`, and Kratos `kind`.
 */
function foreignProtocol(metadata: Metadata, port: number): string {
  const { secure, protocol, kind } = metadata
  const named = (protocol ?? kind ?? dubboProtocol(metadata['dubbo.endpoints'], port) ?? 'http').toLowerCase()
  if (secure === 'true' && (named === 'http' || named === 'grpc')) return `${named}s`
  return /^[a-z][a-z0-9+.-]{0,31}$/.test(named) ? named : 'http'
}

type Metadata = Readonly<Record<string, string>>

interface Host {
  readonly ip: string
  readonly port: number
  readonly weight: number
  readonly healthy: boolean
  readonly enabled: boolean
  readonly foreignId: string
}

function readHost(service: string, value: unknown): Host & { readonly metadata: Metadata } {
  if (typeof value !== 'object' || value === null) throw malformed(service, 'an instance that is not an object')
  const { ip, port, weight, healthy, enabled, instanceId, metadata } = value as Record<string, unknown>
  if (typeof ip !== 'string' || typeof port !== 'number') throw malformed(service, 'an instance without ip or port')
  const entries = Object.entries((metadata as object | null | undefined) ?? {})
  return {
    ip,
    port,
    weight: typeof weight === 'number' && weight >= 0 ? Math.min(weight, 65_535) : 1,
    healthy: healthy !== false,
    enabled: enabled !== false,
    foreignId: foreignId(ip, port, instanceId),
    // The null prototype makes any key safe to read, also `__proto__`.
    metadata: Object.setPrototypeOf(Object.fromEntries(entries.filter(([, text]) => typeof text === 'string')), null) as Metadata,
  }
}

/** Returns the metadata without the keys of this adapter. */
function visible(metadata: Metadata, owned: ReadonlySet<string>): Metadata {
  return Object.fromEntries(
    Object.entries(metadata).filter(([key]) => !key.startsWith(RESERVED_METADATA_PREFIX) && !owned.has(key)),
  )
}

function parse<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch (error) {
    throw new SdError('SD_MALFORMED', 'metadata with the prefix sd. that is not valid JSON', { cause: error })
  }
}

/** Returns the key of a listed instance in Nacos and its id here, or `undefined` if it has no address. */
export function readPlace(host: unknown): (NacosInstanceKey & { readonly id: string }) | undefined {
  const { ip, port, clusterName, ephemeral, instanceId, metadata } = (host ?? {}) as Record<string, unknown>
  if (typeof ip !== 'string' || typeof port !== 'number') return undefined
  const own = (metadata as Metadata | null | undefined)?.['sd.id']
  return {
    id: own ?? foreignId(ip, port, instanceId),
    ip,
    port,
    clusterName: typeof clusterName === 'string' && clusterName !== '' ? clusterName : 'DEFAULT',
    ephemeral: ephemeral !== false,
  }
}

/** Whether a listed instance is the one that was sent, in that version. */
export function isListed(host: unknown, { ip, port, clusterName, metadata }: NacosInstance): boolean {
  const found = readPlace(host)
  if (found?.ip !== ip || found.port !== port || found.clusterName !== clusterName) return false
  const listed = ((host as { readonly metadata?: Metadata | null }).metadata ?? {}) as Metadata
  return ['sd.id', 'sd.createdAt', 'sd.updatedAt'].every((key) => listed[key] === metadata[key])
}

function foreignId(ip: string, port: number, instanceId: unknown): string {
  return typeof instanceId === 'string' && instanceId !== '' && instanceId.length <= 255 ? instanceId : `${ip}:${port}`
}

function malformed(service: string, what: string): SdError {
  return new SdError('SD_MALFORMED', `Nacos lists ${what} in ${service}`)
}

import { buildForeignInstance, decodeEntries, readForeignPorts } from '@sd/adapter-kit'
import { isDnsLabel } from '@sd/connection-kubernetes'
import { type HealthStatus, RESERVED_METADATA_PREFIX, type ServiceInstance } from '@sd/core'
import type { Slice, SliceEndpoint, SlicePort } from './slices.ts'

/** A service name in a request, split into its parts. */
export interface ServiceQuery {
  /** The name as requested. */
  readonly service: string
  /** The Service, if the name has the form `service:port-name`. */
  readonly base?: string
  /** The port, if the name has that form. */
  readonly portName?: string
}

/** Options for reading slices of Kubernetes' own controllers. */
export interface ForeignOptions extends ServiceQuery {
  /** Name of the registry, for telemetry. */
  readonly registry: string
  /** Preferred port if the name does not contain one. */
  readonly preferredPort: string
}

/**
 * Port names and application protocols that are used as the protocol. Only the part of a name before a hyphen is
 * compared, as in Istio.
 */
const protocols = new Set([
  'http',
  'https',
  'http2',
  'h2c',
  'grpc',
  'grpcs',
  'tcp',
  'tls',
  'udp',
  'ws',
  'wss',
  'mongo',
  'mysql',
  'redis',
])

/** Labels and annotations that Kubernetes itself maintains. */
const bookkeeping = /^(?:(?!app\.)[a-z0-9.-]*kubernetes\.io|[a-z0-9.-]*k8s\.io)\//

/** Limit below that of an instance's metadata, to leave room for placement. */
const maxLabels = 250
const maxText = 65_536

/** Splits `service:port-name`. A name of any other form is a service name. */
export function readQuery(service: string): ServiceQuery {
  const [base = '', portName = '', ...rest] = service.split(':')
  return rest.length === 0 && isDnsLabel(base) && isDnsLabel(portName) ? { service, base, portName } : { service }
}

/** Returns the slices of one address type: a dual-stack Service has each Pod once per type. */
export function chooseFamily(slices: readonly Slice[]): readonly Slice[] {
  for (const family of ['IPv4', 'IPv6', 'FQDN']) {
    const chosen = slices.filter(({ addressType, endpoints }) => addressType === family && (endpoints?.length ?? 0) > 0)
    if (chosen.length > 0) return chosen
  }
  return []
}

/** Returns the instances of a slice. Leaves out endpoints that can't be read. */
export function readForeignSlice(slice: Slice, options: ForeignOptions): readonly ServiceInstance[] {
  const port = choosePort(slice.ports ?? [], options)
  if (port?.port === undefined) return []
  const labels = readLabels(slice)
  const { 'app.kubernetes.io/version': appVersion, version = appVersion } = labels
  const shared = {
    service: options.service,
    port: port.port,
    ports: readForeignPorts((slice.ports ?? []).map(({ name, port: number }) => [name, number] as const)),
    protocol: readProtocol(port),
    version: version || undefined,
  }
  const createdAt = Date.parse(slice.metadata.creationTimestamp ?? '')
  const at = Number.isNaN(createdAt) ? {} : { createdAt }
  return decodeEntries(options.registry, options.service, slice.endpoints ?? [], (endpoint) => {
    // It is terminating and reports that it no longer serves, so it is not even a last resort.
    if (endpoint.conditions?.terminating && endpoint.conditions.serving === false) return undefined
    const address = endpoint.addresses[0]
    const { targetRef, zone = onlyZoneHint(endpoint) } = endpoint
    return buildForeignInstance(
      {
        ...shared,
        id: targetRef?.kind === 'Pod' ? targetRef.name : `${address}:${port.port}`,
        address,
        metadata: { ...labels, ...readPlacement(endpoint) },
        locality: zone ? { zone } : undefined,
        health: { status: readHealth(endpoint), ...('createdAt' in at && { checkedAt: createdAt }) },
      },
      at,
    )
  })
}

function choosePort(ports: readonly SlicePort[], { portName, preferredPort }: ForeignOptions): SlicePort | undefined {
  if (portName !== undefined) return ports.find(({ name }) => name === portName)
  return ports.find(({ name }) => name === preferredPort) ?? ports.find(({ protocol = 'TCP' }) => protocol === 'TCP') ?? ports[0]
}

function readProtocol({ name = '', protocol, appProtocol }: SlicePort): string {
  for (const text of [appProtocol?.replace(/^kubernetes\.io\//, ''), name.split('-', 1)[0]]) {
    const known = text?.toLowerCase()
    if (known !== undefined && protocols.has(known)) return known
  }
  return protocol === 'UDP' ? 'udp' : 'http'
}

/**
 * A terminating Pod finishes its requests. While it still passes its checks, it is the last resort if there is no other
 * endpoint (KEP-1669). Absent conditions mean ready. Clusters before 1.22 have no `serving`, so their terminating Pods
 * may serve.
 */
function readHealth({ conditions = {} }: SliceEndpoint): HealthStatus {
  if (conditions.terminating) return 'draining'
  return (conditions.ready ?? true) ? 'healthy' : 'unhealthy'
}

function onlyZoneHint({ hints }: SliceEndpoint): string | undefined {
  return hints?.forZones?.length === 1 ? hints.forZones[0]?.name : undefined
}

function readPlacement({ nodeName, hostname, hints }: SliceEndpoint): Readonly<Record<string, string>> {
  const zones = hints?.forZones?.map(({ name }) => name).join(',')
  return {
    ...(nodeName && { 'kubernetes.node': nodeName }),
    ...(hostname && { 'kubernetes.hostname': hostname }),
    ...(zones && { 'kubernetes.zone-hints': zones }),
  }
}

function readLabels({ metadata }: Slice): Readonly<Record<string, string>> {
  const all = Object.entries({ ...metadata.annotations, ...metadata.labels })
  const usable = all.filter(
    ([key, text]) => !bookkeeping.test(key) && text.length <= maxText && !key.startsWith(RESERVED_METADATA_PREFIX),
  )
  return Object.fromEntries(usable.slice(0, maxLabels))
}

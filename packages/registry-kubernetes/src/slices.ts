import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { decodeInstance, encodeInstance, parseJsonObject } from '@sd/adapter-kit'
import type { KubeObject } from '@sd/connection-kubernetes'
import { invalidError, SdError, type ServiceInstance } from '@sd/core'
import { isLabelValue } from './options.ts'

/** An endpoint of an EndpointSlice, as far as it is used. */
export interface SliceEndpoint {
  readonly addresses: readonly string[]
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean }
  readonly hostname?: string
  readonly nodeName?: string
  readonly zone?: string
  readonly hints?: { readonly forZones?: readonly { readonly name: string }[] }
  readonly targetRef?: { readonly kind?: string; readonly name?: string }
}

/** A port of an EndpointSlice. */
export interface SlicePort {
  readonly name?: string
  readonly port?: number
  readonly protocol?: string
  readonly appProtocol?: string
}

/** An `EndpointSlice` of discovery.k8s.io. */
export interface Slice extends KubeObject {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly endpoints?: readonly SliceEndpoint[] | null
  readonly ports?: readonly SlicePort[] | null
}

/** Lease that an instance lives by. */
export interface LeaseReference {
  readonly name: string
  readonly uid: string
}

/** What a managed slice says beyond its instance. */
export interface SliceExtras {
  readonly labels: Readonly<Record<string, string>>
  readonly portName: string | undefined
}

/** Label that tells which Service a slice belongs to. */
export const serviceLabel = 'kubernetes.io/service-name'
/** Label that names the lease of a slice that this library made. */
export const leaseLabel = 'sd/lease'
/** Label with which this library marks its leases. */
export const managedByLabel = 'app.kubernetes.io/managed-by'
/** Value of the labels that say who manages an object. */
export const manager = 'sd'

const sliceManagedByLabel = 'endpointslice.kubernetes.io/managed-by'
const documentAnnotation = 'sd/instance'

/** Kubernetes' own limit for all annotations of an object, in bytes, less than what the others take. */
const maxDocumentBytes = 262_144 - 200

/** The label value of a service: its name, or a hash of one that Kubernetes does not take. */
export function serviceLabelValue(service: string): string {
  return isLabelValue(service) ? service : `sd-${hash(service).slice(0, 40)}`
}

/** Name of the slice of an instance: readable, unique, and the same for everybody who registers this id. */
export function sliceName(service: string, id: string): string {
  const readable = service
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '')
  return `${readable === '' ? 'sd' : readable}-${hash(JSON.stringify([service, id])).slice(0, 24)}`
}

/** The slice of one registered instance. @throws SdError `SD_INVALID` for an address that Kubernetes takes from nobody */
export function encodeSlice(
  instance: ServiceInstance,
  incarnation: string,
  lease: LeaseReference,
  { labels, portName }: SliceExtras,
): Slice & { readonly apiVersion: string; readonly kind: string } {
  const { service, id, protocol, port, health, locality } = instance
  const { addressType, address } = toSliceAddress(instance.address)
  const isReady = health.status === 'healthy' || health.status === 'unknown'
  const isTerminating = health.status === 'draining'
  const zone = locality?.zone
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: sliceName(service, id),
      labels: {
        ...labels,
        [serviceLabel]: serviceLabelValue(service),
        [sliceManagedByLabel]: manager,
        [leaseLabel]: lease.name,
      },
      annotations: { [documentAnnotation]: encodeInstance(instance, incarnation) },
      // Whoever deletes the lease has the slices deleted by Kubernetes.
      ...{ ownerReferences: [{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...lease }] },
    },
    addressType,
    endpoints: [
      {
        addresses: [address],
        conditions: { ready: isReady, serving: isReady || isTerminating, terminating: isTerminating },
        ...(zone !== undefined && isLabelValue(zone) && { zone }),
      },
    ],
    ports: [
      {
        name: portName ?? '',
        port,
        protocol: protocol === 'udp' ? 'UDP' : 'TCP',
        ...(isLabelValue(protocol) && { appProtocol: protocol }),
      },
    ],
  }
}

/** Refuses an instance that Kubernetes would refuse, with the reason. @throws SdError `SD_INVALID`, `SD_TOO_LARGE` */
export function checkInstance(instance: ServiceInstance): void {
  toSliceAddress(instance.address)
  const bytes = Buffer.byteLength(JSON.stringify(instance))
  if (bytes <= maxDocumentBytes) return
  throw new SdError(
    'SD_TOO_LARGE',
    `instance ${instance.id} has ${bytes} bytes, Kubernetes takes ${maxDocumentBytes} as an annotation`,
  )
}

/** Name of the lease of a slice that this library made; absent for others. */
export function leaseNameOf({ metadata }: Slice): string | undefined {
  return metadata.labels?.[sliceManagedByLabel] === manager ? metadata.labels[leaseLabel] : undefined
}

/** Which registration put the slice there. */
export function incarnationOf(slice: Slice): unknown {
  try {
    return readDocument(slice)['incarnation']
  } catch {
    // Another tool's, or spoilt.
    return undefined
  }
}

/** Whether a slice counts: those of others always do. @param leases names of the leases that are alive */
export function isAlive(slice: Slice, leases: ReadonlySet<string>): boolean {
  const lease = leaseNameOf(slice)
  return lease === undefined || leases.has(lease)
}

/** The instance of a slice that this library made. @throws SdError `SD_MALFORMED` */
export function decodeSlice(slice: Slice): ServiceInstance {
  return decodeInstance(slice.metadata.annotations?.[documentAnnotation] ?? '', readPlace(slice)).instance
}

function readDocument({ metadata }: Slice): Readonly<Record<string, unknown>> {
  return parseJsonObject(metadata.annotations?.[documentAnnotation] ?? '', `EndpointSlice ${metadata.name}`)
}

function readPlace(slice: Slice): { service: string; id: string } {
  const { metadata } = slice
  const { service, id } = readDocument(slice)
  const label = metadata.labels?.[serviceLabel]
  if (typeof service === 'string' && typeof id === 'string' && serviceLabelValue(service) === label) return { service, id }
  throw new SdError('SD_MALFORMED', `EndpointSlice ${metadata.name} is labelled as another service's than its document says`)
}

function toSliceAddress(address: string): { addressType: Slice['addressType']; address: string } {
  const version = isIP(address)
  if (version === 4 && !/^(?:127|0|169\.254|22[4-9]|23\d|255\.255\.255\.255)(?:\.|$)/.test(address)) {
    return { addressType: 'IPv4', address }
  }
  if (version === 6) {
    const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
    if (!/^(?:::1?$|fe[89ab]|ff|::ffff:)/.test(canonical)) return { addressType: 'IPv6', address: canonical }
  }
  const host = address.toLowerCase().replace(/\.$/, '')
  if (version === 0 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/.test(host)) {
    return { addressType: 'FQDN', address: host }
  }
  const want =
    'an address that Kubernetes takes: no loopback, link-local, multicast or unspecified one, no host name without a dot'
  throw invalidError('address', address, want)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { decodeInstance, encodeInstance, parseJsonObject } from '@sd/adapter-kit'
import type { KubeObject } from '@sd/connection-kubernetes'
import { invalidError, SdError, type ServiceInstance } from '@sd/core'
import { isLabelValue } from './options.ts'

/** The used part of an endpoint of an EndpointSlice. */
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

/** The lease to which an instance is bound. */
export interface LeaseReference {
  readonly name: string
  readonly uid: string
}

/** Data of a managed slice that is not part of its instance. */
export interface SliceExtras {
  readonly labels: Readonly<Record<string, string>>
  readonly portName: string | undefined
}

/** Label with the name of the Service that a slice belongs to. */
export const serviceLabel = 'kubernetes.io/service-name'
/** Label with the name of the lease, on slices of this library. */
export const leaseLabel = 'sd/lease'
/** Label that marks the leases of this library. */
export const managedByLabel = 'app.kubernetes.io/managed-by'
/** Value of the labels that name the manager of an object. */
export const manager = 'sd'

const sliceManagedByLabel = 'endpointslice.kubernetes.io/managed-by'
const documentAnnotation = 'sd/instance'

/** Kubernetes' limit for all annotations of an object, in bytes, minus room for the others. */
const maxDocumentBytes = 262_144 - 200

/** Returns the label value of a service: its name, or a hash of a name that Kubernetes does not accept. */
export function serviceLabelValue(service: string): string {
  return isLabelValue(service) ? service : `sd-${hash(service).slice(0, 40)}`
}

/** Returns the name of an instance's slice: readable, unique, and the same in every process that registers this id. */
export function sliceName(service: string, id: string): string {
  const readable = service
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '')
  return `${readable === '' ? 'sd' : readable}-${hash(JSON.stringify([service, id])).slice(0, 24)}`
}

/**
 * Returns the slice of a registered instance. @throws SdError `SD_INVALID` for an address that Kubernetes never accepts
 */
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
      // When the lease is deleted, Kubernetes deletes the slices that it owns.
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
    `instance ${instance.id} has ${bytes} bytes, want at most ${maxDocumentBytes}, the limit of Kubernetes' annotations`,
  )
}

/** Returns the name of the lease of a slice of this library, or `undefined` for other slices. */
export function leaseNameOf({ metadata }: Slice): string | undefined {
  return metadata.labels?.[sliceManagedByLabel] === manager ? metadata.labels[leaseLabel] : undefined
}

/** Returns the incarnation of the registration that wrote the slice. */
export function incarnationOf(slice: Slice): unknown {
  try {
    return readDocument(slice)['incarnation']
  } catch {
    // Of another tool, or malformed.
    return undefined
  }
}

/** Whether a slice is in effect: always for slices of other tools. @param leases names of the leases that are alive */
export function isAlive(slice: Slice, leases: ReadonlySet<string>): boolean {
  const lease = leaseNameOf(slice)
  return lease === undefined || leases.has(lease)
}

/** Returns the instance of a slice of this library. @throws SdError `SD_MALFORMED` */
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
  throw new SdError('SD_MALFORMED', `EndpointSlice ${metadata.name} has the label of another service than its document`)
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
    'an address that Kubernetes accepts: not loopback, link-local, multicast or unspecified, and not a host name without a dot'
  throw invalidError('address', address, want)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

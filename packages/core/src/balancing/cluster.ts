import type { OperationOptions } from '../async/operation-options.ts'
import type { HeaderFields } from '../call/call.ts'
import { splitPortReference } from '../instance/ports-and-checks.ts'
import type { HeldList, ServiceSnapshot } from '../instance/snapshot.ts'
import { checkFunction, checkObject, invalidError } from '../validate.ts'
import type { Balancer, EndpointView, PickRequest } from './balancer.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointOut, OutReason } from './endpoint-blocks.ts'
import type { EndpointCheck } from './monitor.ts'

/** The live set of endpoints of one service. */
export interface Cluster {
  readonly service: string
  /** The last known snapshot; `undefined` before the first. */
  readonly snapshot: ServiceSnapshot | undefined
  /** The endpoints that pickers choose from now. */
  readonly view: EndpointView
  /**
   * Whether it was closed, for example to make room for another service because it has no instances. Request a new one
   * from the source then.
   */
  readonly isClosed: boolean
  /**
   * Resolves when there is a snapshot; at once if there is one already.
   *
   * @throws SdError the error that keeps the source from providing one, `SD_ABORTED`, or `SD_CLOSED`
   */
  ready(options?: OperationOptions): Promise<void>
  /** Attaches a balancer to this cluster. The picker follows the view and the load. */
  attach(balancer: Balancer): AttachedBalancer
  /**
   * Calls `listener` synchronously when the view or the snapshot changed, or when the cluster was closed. A failing
   * listener causes a warning and affects nothing else.
   *
   * @returns a function that removes the listener
   */
  onChange(listener: () => void): () => void
  /**
   * Explains which endpoints get traffic now, and which rule excludes each of the others. Meant for people: it costs as
   * much as building a view.
   */
  explain(): ClusterExplanation
}

/**
 * What keeps an endpoint from getting traffic: one of these rules, or the reason for which it is out. If several apply,
 * it is the first in the order in which a view is built.
 */
export type DropRule = 'filter' | 'priority' | 'subset' | 'weight' | OutReason

/** Why an endpoint gets traffic or not. */
export interface EndpointExplanation {
  readonly endpoint: Endpoint
  /** Effective weight: the instance's weight × slow start × recovery. 0 for an excluded endpoint. */
  readonly weight: number
  /** The rule that excludes it; absent if it may be picked. */
  readonly dropped?: DropRule | undefined
  /** Why it is out, since when and until when; empty if it is not out. In a panic it may be picked nevertheless. */
  readonly outs: readonly EndpointOut[]
  /** Results of the monitors that check it, with the times of the last check and of the verdict; absent without such monitors. */
  readonly checks?: readonly EndpointCheck[] | undefined
}

/** Why the endpoints of a cluster get traffic or not. */
export interface ClusterExplanation {
  readonly service: string
  /** Whether the source has never listed an instance of the service. Its name may be wrong. */
  readonly isUnknown: boolean
  /** Whether too few endpoints are available, so that all are used. */
  readonly isPanic: boolean
  /** Since when the source has been unreachable, in Unix milliseconds; absent while it is reachable. */
  readonly staleSince?: number | undefined
  /** For a name such as `orders:admin`: number of instances of `orders` without a port `admin`; absent if there are none. */
  readonly withoutPort?: number | undefined
  /** Instances that are kept although the source no longer lists them, with the time and the reason; absent if there are none. */
  readonly held?: HeldList | undefined
  /** All known endpoints. */
  readonly endpoints: readonly EndpointExplanation[]
}

/** Describes in one line why an endpoint is out, since when and until when. */
export function formatOut({ reason, detail, since, until }: EndpointOut, now: number = Date.now()): string {
  const what = detail === undefined ? reason : `${reason}: ${detail}`
  return `${what}, since ${seconds(now - since)}${until === undefined ? '' : `, for another ${seconds(until - now)}`}`
}

/** Texts for the rules that are not reasons to be out. */
const ruleTexts: Readonly<Partial<Record<DropRule, string>>> = {
  filter: 'excluded by the filter',
  priority: 'with a lower priority',
  subset: 'outside the subset',
  weight: 'with weight 0',
}

/** Number of reasons that a message names at most. */
const maxReasons = 3

/** Describes why no instance could be picked: none is registered, or how many are out and why. */
export function describeNoInstance({ service, isUnknown, staleSince, withoutPort, endpoints }: ClusterExplanation): string {
  const stale = staleSince === undefined ? '' : ` (registry unreachable for ${seconds(Date.now() - staleSince)})`
  if (endpoints.length === 0) {
    const reference = withoutPort ? splitPortReference(service) : undefined
    if (reference) {
      const { service: base, port } = reference
      return `No instance of ${base} has a port named ${port}; ${withoutPort} registered${stale}`
    }
    return `${isUnknown ? `Unknown service ${service}: the registry has never listed an instance${hintOfName(service)}` : `No instance of ${service} is registered`}${stale}`
  }
  const counts = new Map<string, number>()
  for (const { dropped, outs } of endpoints) {
    const out = outs.find(({ reason }) => reason === dropped)
    const rule = dropped === undefined ? 'already tried' : (ruleTexts[dropped] ?? dropped)
    const text = `${rule}${out?.detail === undefined ? '' : `: ${out.detail}`}`
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  const shown = sorted.slice(0, maxReasons).map(([text, count]) => `${count} ${text}`)
  const rest = sorted.length > maxReasons ? ', and other reasons' : ''
  return `No instance of ${service} may get traffic; ${endpoints.length} registered${stale}: ${shown.join(', ')}${rest}`
}

/** A name that looks like an address is probably an address. */
function hintOfName(service: string): string {
  return /:\d+$|^\/|^\d+(\.\d+){3}$/.test(service)
    ? '; use the name of a service, such as orders: the registry knows its addresses and ports'
    : ''
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1_000))} s`
}

/** A balancer attached to a cluster. */
export interface AttachedBalancer {
  readonly balancer: Balancer
  /** Picks from the current view. Synchronous and without a registry request. */
  pick(request: PickRequest): Endpoint | undefined
  /** Reports the head of a response. Absent if the picker does not use it. */
  responded?(endpoint: Endpoint, headers: HeaderFields): void
  /** Detaches the balancer from the cluster. */
  detach(): void
}

/** Provides the clusters of services: `@sd/discovery`, or your own implementation. */
export interface ClusterSource {
  /**
   * Returns the cluster of a service. It is created on first use; later calls return the same object. Synchronous: it
   * does not wait for a lookup.
   */
  cluster(service: string): Cluster
}

/**
 * Checks an option that takes a {@link ClusterSource}. If it is a registry, the message says what to write instead.
 * @returns the value
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkClusterSource(field: string, value: unknown): ClusterSource {
  const { cluster, getInstances } = checkObject(field, value)
  if (typeof cluster !== 'function' && typeof getInstances === 'function')
    throw invalidError(field, 'a registry', 'a discovery: createDiscovery({ source: registry }), from @sd/discovery')
  checkFunction(`${field}.cluster`, cluster as ClusterSource['cluster'])
  return value as ClusterSource
}

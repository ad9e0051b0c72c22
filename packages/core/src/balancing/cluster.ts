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
  /** Name of the service. */
  readonly service: string
  /** The last known snapshot; `undefined` until the source gave one. */
  readonly snapshot: ServiceSnapshot | undefined
  /** What pickers choose from now. */
  readonly view: EndpointView
  /** Whether it was closed, such as a service without instances that made room for another: ask the source for a new one then. */
  readonly isClosed: boolean
  /**
   * Resolves once there is a snapshot: at once when warm.
   *
   * @throws SdError what keeps the source from giving one, `SD_ABORTED`, or `SD_CLOSED`
   */
  ready(options?: OperationOptions): Promise<void>
  /** A pick function of its own over this cluster: keeps the picker in step with the view and with load. */
  attach(balancer: Balancer): AttachedBalancer
  /**
   * Tells, synchronously, that the view or the snapshot is another one, or that the cluster was closed: for what waits for an instance. A
   * listener that fails hurts nobody: it is warned of.
   *
   * @returns a function that ends it
   */
  onChange(listener: () => void): () => void
  /** Which endpoints get traffic now, and by which rule the others don't. For people: it costs as much as a new view. */
  explain(): ClusterExplanation
}

/**
 * What keeps an endpoint from getting traffic: one of these rules, or the reason for which it is out. Of several, the first in the order in
 * which a view is built.
 */
export type DropRule = 'filter' | 'priority' | 'subset' | 'weight' | OutReason

/** Why an endpoint gets traffic or not. */
export interface EndpointExplanation {
  /** The endpoint. */
  readonly endpoint: Endpoint
  /** Effective weight: the instance's × slow start × recovery; 0 for those that were dropped. */
  readonly weight: number
  /** The rule that dropped it; absent if it may be picked. */
  readonly dropped?: DropRule | undefined
  /** Why it is out, since when and until when; empty while it is not. In a panic it may be picked all the same. */
  readonly outs: readonly EndpointOut[]
  /** What monitors that check it found, with the time of the last check beside that of the verdict; absent if none does. */
  readonly checks?: readonly EndpointCheck[] | undefined
}

/** Why the endpoints of a cluster get traffic or not. */
export interface ClusterExplanation {
  /** Name of the service. */
  readonly service: string
  /** Whether the source has never listed an instance of it: its name may be wrong. */
  readonly isUnknown: boolean
  /** Whether so few endpoints are in that those that are out are used too. */
  readonly isPanic: boolean
  /** Since when the source has been unreachable, in Unix milliseconds; absent while it is not. */
  readonly staleSince?: number | undefined
  /** For a name such as `orders:admin`: how many instances of `orders` have no port `admin`; absent if there are none. */
  readonly withoutPort?: number | undefined
  /** Which instances are kept although the source does not list them any more, since when and why; absent if there are none. */
  readonly held?: HeldList | undefined
  /** All endpoints that are known. */
  readonly endpoints: readonly EndpointExplanation[]
}

/** Why an endpoint is out, since when and until when, in one line for people. */
export function formatOut({ reason, detail, since, until }: EndpointOut, now: number = Date.now()): string {
  const what = detail === undefined ? reason : `${reason}: ${detail}`
  return `${what}, since ${seconds(now - since)}${until === undefined ? '' : `, for another ${seconds(until - now)}`}`
}

/** What the rules that are not reasons to be out say of those that they drop. */
const ruleTexts: Readonly<Partial<Record<DropRule, string>>> = {
  filter: 'dropped by the filter',
  priority: 'of a lower priority',
  subset: 'outside of the subset',
  weight: 'of weight 0',
}

/** Most reasons that a message names. */
const maxReasons = 3

/** Why no instance could be picked, for people: nothing is registered, or how many are out and why. */
export function describeNoInstance({ service, isUnknown, staleSince, withoutPort, endpoints }: ClusterExplanation): string {
  const stale = staleSince === undefined ? '' : ` (registry unreachable for ${seconds(Date.now() - staleSince)})`
  if (endpoints.length === 0) {
    const reference = withoutPort ? splitPortReference(service) : undefined
    if (reference) {
      const { service: base, port } = reference
      return `No instance of ${base} has a port named ${port}, of ${withoutPort} registered${stale}`
    }
    return `${isUnknown ? `Unknown service ${service}: the registry has never listed an instance${hintOfName(service)}` : `No instance of ${service} is registered`}${stale}`
  }
  const counts = new Map<string, number>()
  for (const { dropped, outs } of endpoints) {
    const out = outs.find(({ reason }) => reason === dropped)
    const rule = dropped === undefined ? 'tried already' : (ruleTexts[dropped] ?? dropped)
    const text = `${rule}${out?.detail === undefined ? '' : `: ${out.detail}`}`
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  const shown = sorted.slice(0, maxReasons).map(([text, count]) => `${count} ${text}`)
  const rest = sorted.length > maxReasons ? ', and other reasons' : ''
  return `No instance of ${service} may get traffic, of ${endpoints.length} registered${stale}: ${shown.join(', ')}${rest}`
}

/** A name that looks like an address is most likely one. */
function hintOfName(service: string): string {
  return /:\d+$|^\/|^\d+(\.\d+){3}$/.test(service)
    ? '; a service is called by its name alone, such as orders: the registry knows addresses and ports'
    : ''
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1_000))} s`
}

/** A balancer at work on a cluster. */
export interface AttachedBalancer {
  /** The balancer. */
  readonly balancer: Balancer
  /** Picks from the cluster as it is now; synchronous, no registry call. */
  pick(request: PickRequest): Endpoint | undefined
  /** Tells of the head of a response. Absent where nobody learns from it. */
  answered?(endpoint: Endpoint, headers: HeaderFields): void
  /** Ends it; the cluster forgets it. */
  detach(): void
}

/** Where a client finds the cluster of a service: `@sd/discovery`, or your own. */
export interface ClusterSource {
  /** The cluster of a service; made on first use, the same object afterwards. Synchronous: a name, not yet a lookup. */
  cluster(service: string): Cluster
}

/**
 * Checks what is given as the view of services, and says what to write where a registry was given. @returns it
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

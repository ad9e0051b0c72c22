import type { Balancer, EndpointView, PickRequest } from './balancer.ts'
import type { Endpoint } from './endpoint.ts'
import type { OperationOptions } from './registry.ts'
import type { ServiceSnapshot } from './snapshot.ts'

/** The live set of endpoints of one service. */
export interface Cluster {
  /** Name of the service. */
  readonly service: string
  /** The last known snapshot; `undefined` until the source gave one. */
  readonly snapshot: ServiceSnapshot | undefined
  /** What pickers choose from now. */
  readonly view: EndpointView
  /**
   * Resolves once there is a snapshot: at once when warm.
   *
   * @throws SdError what keeps the source from giving one, `SD_ABORTED`, or `SD_CLOSED`
   */
  ready(options?: OperationOptions): Promise<void>
  /** A pick function of its own over this cluster: keeps the picker in step with the view and with load. */
  attach(balancer: Balancer): AttachedBalancer
  /** Which endpoints get traffic now, and by which rule the others don't. For people: it costs as much as a new view. */
  explain(): ClusterExplanation
}

/** What keeps an endpoint from getting traffic, in the order in which the rules are applied; the first that matches counts. */
export type DropRule = 'filter' | 'draining' | 'health' | 'ejected' | 'priority' | 'subset' | 'weight' | 'blocked'

/** Why an endpoint gets traffic or not. */
export interface EndpointExplanation {
  /** The endpoint. */
  readonly endpoint: Endpoint
  /** Effective weight: the instance's × slow start × recovery; 0 for those that were dropped. */
  readonly weight: number
  /** The rule that dropped it; absent if it may be picked. */
  readonly dropped?: DropRule | undefined
  /** More about it, such as what a monitor says, or who blocks it. */
  readonly detail?: string | undefined
}

/** Why the endpoints of a cluster get traffic or not. */
export interface ClusterExplanation {
  /** Name of the service. */
  readonly service: string
  /** Whether so few are well that `health` and `ejected` drop nobody. */
  readonly isPanic: boolean
  /** Since when the source has been away, in Unix milliseconds; absent while it is not. */
  readonly staleSinceMs?: number | undefined
  /** All endpoints that are known. */
  readonly endpoints: readonly EndpointExplanation[]
}

/** A balancer at work on a cluster. */
export interface AttachedBalancer {
  /** The balancer. */
  readonly balancer: Balancer
  /** Picks from the cluster as it is now; synchronous, no registry call. */
  pick(request: PickRequest): Endpoint | undefined
  /** Ends it; the cluster forgets it. */
  detach(): void
}

/** Where a client finds the cluster of a service: `@sd/discovery`, or your own. */
export interface ClusterSource {
  /** The cluster of a service; made on first use, the same object afterwards. Synchronous: a name, not yet a lookup. */
  cluster(service: string): Cluster
}

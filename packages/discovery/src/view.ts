import type { DropRule, Endpoint, EndpointView } from '@sd/core'
import type { InstanceFilter } from './filters.ts'
import type { Outs } from './outs.ts'
import type { SubsetChoice } from './subset.ts'

/** One step from the usable endpoints to those that are used. */
export interface ViewStage {
  /** The rule recorded for endpoints that this step drops. */
  readonly rule: DropRule
  /** Returns a predicate for the endpoints to keep; `undefined` keeps all. */
  decide(left: readonly Endpoint[]): ((endpoint: Endpoint) => boolean) | undefined
}

/** How a view is built. */
export interface ViewPlan {
  /** The service's own filter. */
  readonly filter: InstanceFilter | undefined
  /** The endpoints that are out, and the panic state. */
  readonly outs: Outs
  /** Steps applied in this order to the usable endpoints, and in the same way to the candidates. */
  readonly choice: readonly ViewStage[]
  /** Share of its weight that an endpoint currently has. */
  readonly share: (endpoint: Endpoint) => number
}

/** Parts of {@link createViewPlan}. */
export interface ViewPlanOptions extends Pick<ViewPlan, 'filter' | 'outs' | 'share'> {
  /** Chooses the subset, if configured. */
  readonly subset: SubsetChoice | undefined
}

/** The endpoints of a cluster, divided into members and draining ones. */
export interface Membership {
  /** Endpoints that pass the filter and are not draining. */
  readonly members: readonly Endpoint[]
  /** Endpoints that pass the filter and are draining. */
  readonly draining: readonly Endpoint[]
}

/** The usable endpoints, and the candidates from which they were taken. */
interface Usable {
  readonly endpoints: readonly Endpoint[]
  readonly candidates: readonly Endpoint[]
}

/** Creates the stages of a cluster's view. */
export function createViewPlan({ filter, outs, subset, share }: ViewPlanOptions): ViewPlan {
  const choice: ViewStage[] = [{ rule: 'priority', decide: (left) => ofBestPriority(left, outs) }]
  if (subset) choice.push({ rule: 'subset', decide: subset })
  return { filter, outs, choice, share }
}

/** Divides endpoints into members and draining ones. */
export function sortMembers(endpoints: readonly Endpoint[], filter: InstanceFilter | undefined): Membership {
  const kept = filter ? endpoints.filter(({ instance }) => filter(instance)) : endpoints
  if (!kept.some(isDraining)) return { members: kept, draining: [] }
  return { members: kept.filter((endpoint) => !isDraining(endpoint)), draining: kept.filter(isDraining) }
}

/**
 * The endpoints that may be used now. While no member is in, draining endpoints that are reachable are used before
 * unhealthy ones: they were asked to stop, but still serve (KEP-1669). In a panic, members that only this client found bad
 * are used beside them.
 */
export function usableOf({ members, draining }: Membership, outs: Outs): Usable {
  const endpoints = members.filter((endpoint) => endpoint.available && (outs.isPanic || !isUnhealthy(endpoint)))
  if (!outs.isEmpty || draining.length === 0) return { endpoints, candidates: members }
  const serving = draining.filter(({ available }) => available)
  if (serving.length === 0) return { endpoints, candidates: members }
  return {
    endpoints: [...endpoints.filter((endpoint) => !isUnhealthy(endpoint)), ...serving],
    candidates: [...members, ...draining],
  }
}

/** Builds the view from the members of a cluster. */
export function buildView(membership: Membership, { outs, choice, share }: ViewPlan, epoch: number): EndpointView {
  let { endpoints, candidates } = usableOf(membership, outs)
  for (const stage of choice) {
    const isChosen = stage.decide(endpoints)
    endpoints = keep(endpoints, isChosen)
    candidates = keep(candidates, isChosen)
  }
  const weights = Float64Array.from(endpoints, (endpoint) => endpoint.instance.weight * share(endpoint))
  return { endpoints, weights, epoch, candidates }
}

/** Draws one endpoint that passes the filter, at random by weight. */
export function drawByWeight(view: EndpointView, filter: InstanceFilter = () => true): Endpoint | undefined {
  const { endpoints, weights } = view
  const kept = [...endpoints.entries()].filter(
    ([index, { available, instance }]) => available && (weights[index] as number) > 0 && filter(instance),
  )
  let left = Math.random() * kept.reduce((sum, [index]) => sum + (weights[index] as number), 0)
  return kept.find(([index]) => {
    left -= weights[index] as number
    return left < 0
  })?.[1]
}

function keep(endpoints: readonly Endpoint[], isKept: ((endpoint: Endpoint) => boolean) | undefined): readonly Endpoint[] {
  return isKept ? endpoints.filter(isKept) : endpoints
}

function isDraining({ instance }: Endpoint): boolean {
  return instance.health.status === 'draining'
}

function isUnhealthy({ instance }: Endpoint): boolean {
  return instance.health.status === 'unhealthy'
}

/**
 * Keeps the lowest priority number with an endpoint that is in; without one, the lowest of all. Endpoints of a better
 * priority that are due for a trial stay, because only a trial can bring that priority back.
 */
function ofBestPriority(left: readonly Endpoint[], outs: Outs): ((endpoint: Endpoint) => boolean) | undefined {
  let lowest = Number.POSITIVE_INFINITY
  let highest = Number.NEGATIVE_INFINITY
  let lowestIn = Number.POSITIVE_INFINITY
  for (const endpoint of left) {
    const { priority } = endpoint.instance
    lowest = Math.min(lowest, priority)
    highest = Math.max(highest, priority)
    if (priority < lowestIn && outs.isIn(endpoint)) lowestIn = priority
  }
  if (left.length === 0 || (lowest === highest && outs.count === 0)) return undefined
  const chosen = lowestIn === Number.POSITIVE_INFINITY ? lowest : lowestIn
  return ({ instance, isTrial }) => instance.priority === chosen || (isTrial && instance.priority < chosen)
}

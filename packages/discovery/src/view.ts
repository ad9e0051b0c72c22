import type { DropRule, Endpoint, EndpointView } from '@sd/core'
import type { InstanceFilter } from './filters.ts'
import type { Outs } from './outs.ts'
import type { SubsetChoice } from './subset.ts'

/** One step from the endpoints that may be used to those that are. */
export interface ViewStage {
  /** The rule by which it drops endpoints. */
  readonly rule: DropRule
  /** Tells which to keep of those that are left; `undefined` for all. */
  decide(left: readonly Endpoint[]): ((endpoint: Endpoint) => boolean) | undefined
}

/** How a view is built. */
export interface ViewPlan {
  /** The service's own filter. */
  readonly filter: InstanceFilter | undefined
  /** Which endpoints are out, and whether there is a panic. */
  readonly outs: Outs
  /** Which of those that are in are used, in this order; the same choice is made of the candidates. */
  readonly choice: readonly ViewStage[]
  /** Share of its weight that an endpoint has now. */
  readonly share: (endpoint: Endpoint) => number
}

/** Parts of {@link createViewPlan}. */
export interface ViewPlanOptions extends Pick<ViewPlan, 'filter' | 'outs' | 'share'> {
  /** Chooses a subset. */
  readonly subset: SubsetChoice | undefined
}

/** The endpoints of a cluster by what they are for. */
export interface Membership {
  /** Those that the filter keeps and that are not draining. */
  readonly members: readonly Endpoint[]
  /** Those that the filter keeps and that are draining. */
  readonly draining: readonly Endpoint[]
}

/** Endpoints that may be used, and those of which they were taken. */
interface Usable {
  readonly endpoints: readonly Endpoint[]
  readonly candidates: readonly Endpoint[]
}

/** The stages of a cluster. */
export function createViewPlan({ filter, outs, subset, share }: ViewPlanOptions): ViewPlan {
  const choice: ViewStage[] = [{ rule: 'priority', decide: (left) => ofBestPriority(left, outs) }]
  if (subset) choice.push({ rule: 'subset', decide: subset })
  return { filter, outs, choice, share }
}

/** Sorts endpoints by what they are for. */
export function sortMembers(endpoints: readonly Endpoint[], filter: InstanceFilter | undefined): Membership {
  const kept = filter ? endpoints.filter(({ instance }) => filter(instance)) : endpoints
  if (!kept.some(isDraining)) return { members: kept, draining: [] }
  return { members: kept.filter((endpoint) => !isDraining(endpoint)), draining: kept.filter(isDraining) }
}

/**
 * The endpoints that may be used now. While no member is in, draining ones that can be reached are used, which beats those that are unhealthy
 * by their own word: they were told to stop, and still serve (KEP-1669). Members that only this client found bad are used beside them in a panic.
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

/** Builds the view of the members of a cluster. */
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

/** Draws one endpoint that a filter keeps, at random by weight. */
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
 * Keeps the lowest priority number that has an endpoint which is in; without any such, the lowest of all. Endpoints of a better one that are
 * to be tried stay, because nothing else would bring that one back.
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

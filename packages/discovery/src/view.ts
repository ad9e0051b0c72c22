import type { DropRule, Endpoint, EndpointView } from '@sd/core'
import type { Ejections } from './ejections.ts'
import type { InstanceFilter } from './filters.ts'
import type { SubsetChoice } from './subset.ts'

/** One step from all endpoints to those that may get traffic. */
export interface ViewStage {
  /** The rule by which it drops endpoints. */
  readonly rule: DropRule
  /** Tells whom to keep of those that are left; `undefined` for all. */
  decide(left: readonly Endpoint[]): ((endpoint: Endpoint) => boolean) | undefined
}

/** How a view is built, in this order. */
export interface ViewPlan {
  /** Who belongs to it at all. */
  readonly members: readonly ViewStage[]
  /** Which members are well. */
  readonly wellness: readonly ViewStage[]
  /** Which of those are used; the same choice is made of candidates that are not well. */
  readonly choice: readonly ViewStage[]
  /** Share of its weight that an endpoint has now. */
  readonly share: (endpoint: Endpoint) => number
}

/** Parts of {@link createViewPlan}. */
export interface ViewPlanOptions {
  /** The service's own filter. */
  readonly filter: InstanceFilter | undefined
  /** Who is ejected, and whether there is a panic. */
  readonly ejections: Ejections
  /** Chooses a subset. */
  readonly subset: SubsetChoice | undefined
  /** See {@link ViewPlan.share}. */
  readonly share: (endpoint: Endpoint) => number
}

/** The stages of a cluster. */
export function createViewPlan({ filter, ejections, subset, share }: ViewPlanOptions): ViewPlan {
  const members: ViewStage[] = [{ rule: 'draining', decide: () => isNotDraining }]
  if (filter) members.unshift({ rule: 'filter', decide: () => (endpoint) => filter(endpoint.instance) })
  const choice: ViewStage[] = [{ rule: 'priority', decide: (left) => ofBestPriority(left, ejections) }]
  if (subset) choice.push({ rule: 'subset', decide: subset })
  return {
    members,
    wellness: [
      { rule: 'health', decide: () => (ejections.usesAll ? undefined : isHealthy) },
      { rule: 'ejected', decide: () => (ejections.usesAll ? undefined : (endpoint) => !ejections.of(endpoint)) },
    ],
    choice,
    share,
  }
}

/** Keeps what all of these stages keep. */
export function applyStages(endpoints: readonly Endpoint[], stages: readonly ViewStage[]): readonly Endpoint[] {
  return stages.reduce((left, stage) => keep(left, stage.decide(left)), endpoints)
}

/** Builds the view of the members of a cluster. */
export function buildView(members: readonly Endpoint[], { wellness, choice, share }: ViewPlan, epoch: number): EndpointView {
  let endpoints = applyStages(members, wellness)
  let candidates = members
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

function isNotDraining({ instance }: Endpoint): boolean {
  return instance.health.status !== 'draining'
}

function isHealthy({ instance }: Endpoint): boolean {
  return instance.health.status !== 'unhealthy'
}

/** Keeps the lowest priority number that has anybody who is well; in a panic without any such, the lowest of all. */
function ofBestPriority(left: readonly Endpoint[], ejections: Ejections): ((endpoint: Endpoint) => boolean) | undefined {
  let lowest = Number.POSITIVE_INFINITY
  let highest = Number.NEGATIVE_INFINITY
  let lowestOfWell = Number.POSITIVE_INFINITY
  for (const endpoint of left) {
    const { priority } = endpoint.instance
    lowest = Math.min(lowest, priority)
    highest = Math.max(highest, priority)
    if (priority < lowestOfWell && ejections.isWell(endpoint)) lowestOfWell = priority
  }
  if (left.length === 0 || (lowest === highest && ejections.usesAll)) return undefined
  const chosen = lowestOfWell === Number.POSITIVE_INFINITY ? lowest : lowestOfWell
  return ({ instance }) => instance.priority === chosen
}

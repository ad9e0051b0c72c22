import type { Endpoint, EndpointView } from '@sd/core'
import type { InstanceFilter } from './filters.ts'

/** One step from all endpoints to those that may get traffic. */
export type ViewStage = (endpoints: readonly Endpoint[]) => readonly Endpoint[]

/** Keeps the endpoints whose instances a filter keeps. */
export function filterStage(filter: InstanceFilter): ViewStage {
  return (endpoints) => endpoints.filter(({ instance }) => filter(instance))
}

/** Keeps the endpoints that are healthy, or of which nobody knows: neither unhealthy nor draining ones. */
export const eligibleStage: ViewStage = (endpoints) =>
  endpoints.filter(({ instance: { health } }) => health.status === 'healthy' || health.status === 'unknown')

/** Keeps the endpoints of the lowest priority number, the most preferred. */
export const priorityStage: ViewStage = (endpoints) => {
  const best = endpoints.reduce((lowest, { instance }) => Math.min(lowest, instance.priority), Number.POSITIVE_INFINITY)
  return endpoints.filter(({ instance }) => instance.priority === best)
}

/** How a view is built. */
export interface ViewPlan {
  /** From all endpoints to those that may get traffic, in order. */
  readonly stages: readonly ViewStage[]
  /** Share of its weight that an endpoint has now. */
  readonly share: (endpoint: Endpoint) => number
}

/** Runs the stages in their order and weighs what is left. */
export function buildView(endpoints: readonly Endpoint[], { stages, share }: ViewPlan, epoch: number): EndpointView {
  const kept = stages.reduce((left, stage) => stage(left), endpoints)
  return { endpoints: kept, weights: Float64Array.from(kept, (endpoint) => endpoint.instance.weight * share(endpoint)), epoch }
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

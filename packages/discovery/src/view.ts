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

/** Runs the stages in their order and weighs what is left. */
export function buildView(endpoints: readonly Endpoint[], stages: readonly ViewStage[], epoch: number): EndpointView {
  const kept = stages.reduce((left, stage) => stage(left), endpoints)
  return { endpoints: kept, weights: Float64Array.from(kept, ({ instance }) => instance.weight), epoch }
}

/** Draws one endpoint that a filter keeps, at random by weight. */
export function drawByWeight(view: EndpointView, filter: InstanceFilter = () => true): Endpoint | undefined {
  const kept = view.endpoints.filter(({ available, instance }) => available && instance.weight > 0 && filter(instance))
  let left = Math.random() * kept.reduce((sum, { instance }) => sum + instance.weight, 0)
  return kept.find(({ instance }) => {
    left -= instance.weight
    return left < 0
  })
}

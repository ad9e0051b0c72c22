import type { DropRule, Endpoint, EndpointCheck, EndpointExplanation } from '@sd/core'
import { outsOf } from './outs.ts'
import { sortMembers, usableOf, type ViewPlan } from './view.ts'

/** Explains for each endpoint whether it gets traffic, and which rule drops it. Follows the same steps as the view. */
export function explainEndpoints(
  endpoints: readonly Endpoint[],
  { filter, outs, choice, share }: ViewPlan,
  checksOf: (endpoint: Endpoint) => readonly EndpointCheck[],
): readonly EndpointExplanation[] {
  const membership = sortMembers(endpoints, filter)
  const kept = new Set([...membership.members, ...membership.draining])
  const usable = usableOf(membership, outs).endpoints
  const dropped = new Map<Endpoint, DropRule>()
  let left = usable
  for (const { rule, decide } of choice) {
    const isKept = decide(left)
    if (!isKept) continue
    for (const endpoint of left) if (!isKept(endpoint)) dropped.set(endpoint, rule)
    left = left.filter(isKept)
  }
  const chosen = new Set(usable)
  return endpoints.map((endpoint) => {
    const weight = endpoint.instance.weight * share(endpoint)
    const reasons = outsOf(endpoint)
    const outRule = chosen.has(endpoint) ? undefined : (reasons[0]?.reason ?? 'blocked')
    const rule = kept.has(endpoint) ? (outRule ?? dropped.get(endpoint) ?? (weight === 0 ? 'weight' : undefined)) : 'filter'
    const checks = checksOf(endpoint)
    return {
      endpoint,
      weight: rule ? 0 : weight,
      ...(rule && { dropped: rule }),
      outs: reasons,
      ...(checks.length > 0 && { checks }),
    }
  })
}

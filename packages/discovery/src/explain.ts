import type { DropRule, Endpoint, EndpointExplanation } from '@sd/core'
import type { Ejections } from './ejections.ts'
import type { ViewPlan } from './view.ts'

/** Tells of each endpoint whether it gets traffic, by the same stages as the view, and what drops it. */
export function explainEndpoints(
  endpoints: readonly Endpoint[],
  { members, wellness, choice, share }: ViewPlan,
  ejections: Ejections,
): readonly EndpointExplanation[] {
  const dropped = new Map<Endpoint, DropRule>()
  let left = endpoints
  for (const { rule, decide } of [...members, ...wellness, ...choice]) {
    const isKept = decide(left)
    if (!isKept) continue
    for (const endpoint of left) if (!isKept(endpoint)) dropped.set(endpoint, rule)
    left = left.filter(isKept)
  }
  return endpoints.map((endpoint) => {
    const weight = endpoint.instance.weight * share(endpoint)
    const rule = dropped.get(endpoint) ?? dropRuleOf(endpoint, weight)
    return {
      endpoint,
      weight: rule ? 0 : weight,
      ...(rule && { dropped: rule }),
      ...describe(endpoint, rule, ejections),
    }
  })
}

/** What keeps an endpoint of the view from being picked. */
function dropRuleOf(endpoint: Endpoint, weight: number): DropRule | undefined {
  if (weight === 0) return 'weight'
  return endpoint.available ? undefined : 'blocked'
}

function describe(endpoint: Endpoint, rule: DropRule | undefined, ejections: Ejections): { readonly detail?: string } {
  const detail = rule === 'blocked' ? endpoint.blocks.join(', ') : describeHealth(endpoint, ejections)
  return detail === '' ? {} : { detail }
}

function describeHealth(endpoint: Endpoint, ejections: Ejections): string {
  const { status, message } = endpoint.instance.health
  const parts: string[] = status === 'healthy' || status === 'unknown' ? [] : [message ? `${status}: ${message}` : status]
  for (const [monitor, { reason, forMs }] of ejections.of(endpoint) ?? []) {
    parts.push(`${monitor}: ${reason}${forMs === undefined ? '' : ` for ${forMs} ms`}`)
  }
  return parts.join(', ')
}

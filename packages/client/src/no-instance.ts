import { type Cluster, type DropRule, SdError } from '@sd/core'

/** What the rules are called in an error. */
const reasons: Readonly<Record<DropRule, string>> = {
  filter: 'filtered out',
  draining: 'draining',
  health: 'unhealthy',
  ejected: 'ejected',
  priority: 'of lower priority',
  subset: 'outside of the subset',
  weight: 'of weight 0',
  blocked: 'blocked',
}

/** Why no instance could be picked: the registry knows none of that name, or all are out, and by which rule. Made only when a call fails. */
export function explainNoInstance(cluster: Cluster): SdError {
  const { service } = cluster
  const { endpoints, staleSinceMs } = cluster.explain()
  const stale = staleSinceMs === undefined ? '' : `; the list is stale since ${new Date(staleSinceMs).toISOString()}`
  if (endpoints.length === 0) {
    return new SdError('SD_NO_INSTANCE', `No instance of ${service}: the registry knows none of that name${stale}`)
  }
  const counts = new Map<string, number>()
  for (const { dropped } of endpoints) {
    const reason = dropped ? (reasons[dropped] ?? dropped) : 'not picked by the balancer'
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  const why = [...counts].map(([reason, count]) => `${count} ${reason}`).join(', ')
  return new SdError('SD_NO_INSTANCE', `No instance of ${service} may get traffic, of ${endpoints.length}: ${why}${stale}`)
}

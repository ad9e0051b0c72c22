import { HEALTH_STATUSES, type HealthStatus, type ServiceInstance } from '@sd/core'
import { type Line, type Span, styled } from '../output/view.ts'

/** Number of instances by status. */
export type HealthCounts = Readonly<Record<HealthStatus, number>>

/** Counts instances by status. */
export function countHealth(instances: readonly ServiceInstance[]): HealthCounts {
  const counts = Object.fromEntries(HEALTH_STATUSES.map((status) => [status, 0])) as Record<HealthStatus, number>
  for (const { health } of instances) counts[health.status]++
  return counts
}

/** Instances by health in words: `3 healthy`, `1 of 2 healthy, 1 draining`. It counts instances, not checks. */
export function describeHealth(counts: HealthCounts): Line {
  const total = HEALTH_STATUSES.reduce((sum, status) => sum + counts[status], 0)
  const parts: Span[] = []
  const isMixed = counts.healthy !== total
  if (counts.healthy === total) return total === 0 ? styled('red', 'none') : `${total} healthy`
  if (counts.unknown === total) return `${total} unknown`
  const style = counts.healthy + counts.unknown === 0 ? 'red' : 'yellow'
  parts.push(styled(style, isMixed ? `${counts.healthy} of ${total} healthy` : `${total} healthy`))
  for (const status of ['draining', 'unknown'] as const) if (counts[status] > 0) parts.push(`, ${counts[status]} ${status}`)
  return parts
}

/** A status with its colour. */
export function describeStatus(status: HealthStatus): Span {
  if (status === 'healthy') return styled('green', status)
  if (status === 'unknown') return status
  return styled(status === 'unhealthy' ? 'red' : 'yellow', status)
}

import type { CircuitBreaker, StateReport } from '@sd/core'

/** State of a breaker of a service, or of one of its instances. */
export function reportBreaker(service: string, breaker: CircuitBreaker, instanceId?: string): StateReport {
  const { name, state, lastChange } = breaker
  return {
    kind: 'breaker',
    breaker: name,
    service,
    ...(instanceId !== undefined && { instanceId }),
    state,
    ...(lastChange && { since: lastChange.at, reason: lastChange.reason }),
  }
}

import type { ResolvedRule } from './fault-settings.ts'

/** A call or request for which a fault is chosen. */
export interface FaultTarget {
  readonly service: string
  readonly method: string
  readonly path: string
}

/** Whether a rule applies to a call or request, regardless of its share. */
export function matchesFaultRule(rule: ResolvedRule, { service, method, path }: FaultTarget): boolean {
  return (
    (rule.service === undefined || rule.service === service) &&
    (rule.methods === undefined || rule.methods.includes(method)) &&
    (rule.pathPrefix === undefined || path.startsWith(rule.pathPrefix))
  )
}

/** What a rule injects, for telemetry. */
export function faultsOf({ delayMs, jitterMs, error, cutAfterBytes }: ResolvedRule): readonly ('delay' | 'error' | 'cut')[] {
  return [
    ...(delayMs + jitterMs > 0 ? (['delay'] as const) : []),
    ...(error === undefined ? [] : (['error'] as const)),
    ...(cutAfterBytes === undefined ? [] : (['cut'] as const)),
  ]
}

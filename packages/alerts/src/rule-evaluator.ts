import type { Alert, AlertState } from './alert.ts'
import { type AlertCycle, advanceCycle, endCycle } from './alert-cycle.ts'
import type { MetricSample } from './metric-source.ts'
import type { AlertRule, Condition } from './rule.ts'
import { createRuleValues, type GroupValue, labelsKey } from './rule-values.ts'

/** An alert with its internal state. */
export interface TrackedAlert {
  /** Its cycle. */
  readonly cycle: AlertCycle
  /** Previous state; `undefined` if it was inactive. */
  readonly previous: AlertState | undefined
  /** Labels of the group. */
  readonly labels: Readonly<Record<string, string>>
  /** The value when the condition last held. */
  readonly value: number | undefined
  /** When channels were last notified that it fires; `undefined` if they were not. */
  notifiedAt: number | undefined
}

/** Evaluates one rule. */
export interface RuleEvaluator {
  /** The rule. */
  readonly rule: AlertRule
  /** Current alerts. */
  readonly alerts: readonly TrackedAlert[]
  /** Number of groups beyond the limit in the last evaluation. */
  readonly ignoredGroups: number
  /** Evaluates new samples. */
  evaluate(samples: readonly MetricSample[], now: number): void
  /** Ends all firing alerts, because the rule was removed. */
  end(now: number): void
}

/** Maximum number of alerts of one rule: a label with too many values must not fill memory and mailboxes. */
export const maxAlertsPerRule = 1_000

const compare: Readonly<Record<Condition, (value: number, threshold: number) => boolean>> = {
  '>': (value, threshold) => value > threshold,
  '>=': (value, threshold) => value >= threshold,
  '<': (value, threshold) => value < threshold,
  '<=': (value, threshold) => value <= threshold,
  '==': (value, threshold) => value === threshold,
  '!=': (value, threshold) => value !== threshold,
}

/** Creates the evaluator of a rule. */
export function createRuleEvaluator(rule: AlertRule): RuleEvaluator {
  const readValues = createRuleValues(rule)
  let tracked = new Map<string, TrackedAlert>()
  let ignoredGroups = 0

  /** The groups for which the condition holds. */
  function findTrue(values: readonly GroupValue[]): readonly Partial<GroupValue>[] {
    if (rule.condition === 'absent') return values.length === 0 ? [{ labels: rule.labels ?? {} }] : []
    const isTrue = compare[rule.condition]
    return values.filter(({ value }) => isTrue(value, rule.threshold))
  }

  return {
    rule,
    get alerts() {
      return [...tracked.values()]
    },
    get ignoredGroups() {
      return ignoredGroups
    },
    evaluate(samples, now) {
      const active = new Map(findTrue(readValues(samples, now)).map((group) => [labelsKey(group.labels ?? {}), group]))
      const next = new Map<string, TrackedAlert>()
      // Known alerts come first, so that the limit never removes them.
      const keys = new Set([...tracked.keys(), ...active.keys()])
      for (const key of keys) {
        const before = tracked.get(key)
        const group = active.get(key)
        const cycle = advanceCycle(before?.cycle, group !== undefined, now, rule)
        if (!cycle || next.size >= maxAlertsPerRule) continue
        const { labels = {}, value } = group ?? before ?? {}
        next.set(key, { cycle, previous: before?.cycle.state, labels, value, notifiedAt: before?.notifiedAt })
      }
      ignoredGroups = [...active.keys()].filter((key) => !next.has(key)).length
      tracked = next
    },
    end(now) {
      tracked = new Map(
        [...tracked]
          .filter(([, { cycle }]) => cycle.state === 'firing')
          .map(([key, alert]) => [key, { ...alert, previous: 'firing', cycle: endCycle(alert.cycle, now) }]),
      )
    },
  }
}

/** The public form of an alert. */
export function toAlert(rule: AlertRule, { cycle, labels, value }: TrackedAlert, isSilenced: boolean): Alert {
  const { state, activeAt, firingAt, resolvedAt } = cycle
  return {
    id: `${rule.name}${labelsKey(labels)}`,
    rule: rule.name,
    state,
    severity: rule.severity ?? 'warning',
    labels,
    condition: rule.condition,
    ...(rule.condition !== 'absent' && { threshold: rule.threshold }),
    ...(value !== undefined && { value }),
    activeAt,
    ...(firingAt !== undefined && { firingAt }),
    ...(resolvedAt !== undefined && { resolvedAt }),
    isSilenced,
    metadata: rule.metadata ?? {},
  }
}

import { isDeepStrictEqual } from 'node:util'
import { type AlertRule, checkRules } from './rule.ts'
import { createRuleEvaluator, type RuleEvaluator } from './rule-evaluator.ts'

/** The rules of one `createAlerts`, and the evaluators of those that are enabled. */
export interface ActiveRules {
  /** All rules, disabled ones included. */
  readonly list: readonly AlertRule[]
  /** An evaluator for each enabled rule. */
  readonly evaluators: readonly RuleEvaluator[]
  /** Replaces all rules. An equal rule keeps its evaluator. @throws SdError `SD_INVALID` that names the field; nothing changes then */
  set(next: readonly AlertRule[]): void
  /** Whether a rule with this name exists. */
  has(name: string): boolean
}

/**
 * Creates an empty set of rules.
 *
 * @param channelNames channels that rules can name
 * @param onEnd called when the alerts of a rule have ended, because the rule was replaced, removed or disabled
 */
export function createActiveRules(
  channelNames: readonly string[],
  onEnd: (evaluator: RuleEvaluator, now: number) => void,
): ActiveRules {
  let rules: readonly AlertRule[] = []
  let evaluators: readonly RuleEvaluator[] = []

  return {
    get list() {
      return rules
    },
    get evaluators() {
      return evaluators
    },
    set(next) {
      const checked = checkRules(next, channelNames)
      const now = Date.now()
      const kept = checked.map((rule) => evaluators.find((evaluator) => isDeepStrictEqual(evaluator.rule, rule)))
      for (const evaluator of evaluators) {
        if (kept.includes(evaluator)) continue
        evaluator.end(now)
        onEnd(evaluator, now)
      }
      rules = checked
      evaluators = checked
        .map((rule, index) => kept[index] ?? createRuleEvaluator(rule))
        .filter(({ rule }) => rule.enabled ?? true)
    },
    has: (name) => rules.some((rule) => rule.name === name),
  }
}

import {
  checkBoolean,
  checkDuration,
  checkKnownKeys,
  checkName,
  checkNumber,
  checkObject,
  checkOneOf,
  checkText,
  invalidError,
} from '@sd/core'

/** Severity of an alert. */
export type AlertSeverity = 'info' | 'warning' | 'critical'

/** Comparison of the value with the threshold. */
export type Condition = '>' | '>=' | '<' | '<=' | '==' | '!='

/** Aggregation of the samples of a group to one value. */
export type Aggregate =
  | 'sum'
  | 'min'
  | 'max'
  | 'avg'
  | {
      /** Growth of counters: per second, or in the whole window; summed over the series. A counter reset starts at 0. */
      readonly kind: 'rate' | 'increase'
      /** Length of the window, in milliseconds. */
      readonly windowMs: number
    }
  | {
      /** A quantile of a histogram; `metric` is its name without `_bucket`. Interpolated as in Prometheus. */
      readonly kind: 'quantile'
      /** The quantile, from 0 to 1, such as 0.99. */
      readonly quantile: number
      /** Length of the window, in milliseconds. */
      readonly windowMs: number
    }

/** Common fields of all rules. */
export interface RuleBase {
  /** Unique name. */
  readonly name: string
  /** Name of the series. */
  readonly metric: string
  /** Only series with these labels. @default all */
  readonly labels?: Readonly<Record<string, string>>
  /** Time for which the condition must hold before the alert fires, in milliseconds. @default 0 */
  readonly durationMs?: number
  /** Time for which the alert keeps firing after the condition has ended, in milliseconds. @default 0 */
  readonly keepFiringMs?: number
  /** Severity. @default 'warning' */
  readonly severity?: AlertSeverity
  /** Names of the channels to notify. @default all */
  readonly channels?: readonly string[]
  /** Whether the rule is evaluated. @default true */
  readonly enabled?: boolean
  /** Information for people and channels: summary, runbook, team. Must not contain secrets, because channels send it. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
}

/** A rule whose condition compares a value with a threshold. */
export interface ThresholdRule extends RuleBase {
  /** The comparison. */
  readonly condition: Condition
  /** The threshold. */
  readonly threshold: number
  /** Aggregation of samples to one value. @default 'sum' */
  readonly aggregate?: Aggregate
  /** Label names: one value and one alert per combination of their values. @default one for all series */
  readonly groupBy?: readonly string[]
}

/** A rule whose condition holds while there is no series with the name and labels. */
export interface AbsenceRule extends RuleBase {
  /** Marks an absence rule. */
  readonly condition: 'absent'
}

/** An alert rule. */
export type AlertRule = ThresholdRule | AbsenceRule

const baseKeys = [
  'name',
  'metric',
  'labels',
  'durationMs',
  'keepFiringMs',
  'severity',
  'channels',
  'enabled',
  'metadata',
  'condition',
]
const thresholdKeys = [...baseKeys, 'threshold', 'aggregate', 'groupBy']
const conditions = ['>', '>=', '<', '<=', '==', '!=', 'absent'] as const
const severities = ['info', 'warning', 'critical'] as const

/**
 * Validates a list of rules.
 *
 * @returns copies, so that later changes by the caller have no effect
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkRules(rules: unknown, channelNames: readonly string[]): readonly AlertRule[] {
  if (!Array.isArray(rules)) throw invalidError('rules', rules, 'an array')
  const names = new Set<string>()
  for (const [index, rule] of rules.entries()) {
    checkRule(`rules[${index}]`, rule, channelNames)
    if (names.has(rule.name)) throw invalidError(`rules[${index}].name`, rule.name, 'a unique name')
    names.add(rule.name)
  }
  return structuredClone(rules)
}

function checkRule(field: string, rule: AlertRule, channelNames: readonly string[]): void {
  checkObject(field, rule)
  const condition = checkOneOf(`${field}.condition`, rule.condition, conditions)
  checkKnownKeys(field, rule, condition === 'absent' ? baseKeys : thresholdKeys)
  checkName(`${field}.name`, rule.name)
  checkName(`${field}.metric`, rule.metric)
  checkTexts(`${field}.labels`, rule.labels ?? {})
  checkDuration(`${field}.durationMs`, rule.durationMs ?? 0)
  checkDuration(`${field}.keepFiringMs`, rule.keepFiringMs ?? 0)
  checkOneOf(`${field}.severity`, rule.severity ?? 'warning', severities)
  checkNames(`${field}.channels`, rule.channels ?? [], channelNames)
  checkBoolean(`${field}.enabled`, rule.enabled ?? true)
  checkTexts(`${field}.metadata`, rule.metadata ?? {})
  if (rule.condition === 'absent') return
  checkNumber(`${field}.threshold`, rule.threshold, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE })
  checkAggregate(`${field}.aggregate`, rule.aggregate ?? 'sum')
  checkNames(`${field}.groupBy`, rule.groupBy ?? [])
}

function checkAggregate(field: string, aggregate: Aggregate): void {
  if (typeof aggregate === 'string') {
    checkOneOf(field, aggregate, ['sum', 'min', 'max', 'avg'])
    return
  }
  checkObject(field, aggregate)
  const kind = checkOneOf(`${field}.kind`, aggregate.kind, ['rate', 'increase', 'quantile'])
  checkKnownKeys(field, aggregate, kind === 'quantile' ? ['kind', 'quantile', 'windowMs'] : ['kind', 'windowMs'])
  checkDuration(`${field}.windowMs`, aggregate.windowMs, 1)
  if (aggregate.kind === 'quantile') checkNumber(`${field}.quantile`, aggregate.quantile, { min: 0, max: 1 })
}

function checkTexts(field: string, texts: unknown): void {
  for (const [name, text] of Object.entries(checkObject(field, texts))) checkText(`${field}.${name}`, text, 10_000)
}

function checkNames(field: string, names: unknown, known?: readonly string[]): void {
  if (!Array.isArray(names)) throw invalidError(field, names, 'an array of names')
  for (const [index, name] of names.entries()) {
    if (known) checkOneOf(`${field}[${index}]`, name, known)
    else checkName(`${field}[${index}]`, name)
  }
}

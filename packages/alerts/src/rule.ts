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

/** How bad it is. */
export type AlertSeverity = 'info' | 'warning' | 'critical'

/** How the value is compared with the threshold. */
export type Condition = '>' | '>=' | '<' | '<=' | '==' | '!='

/** How the samples of a group become one value. */
export type Aggregate =
  | 'sum'
  | 'min'
  | 'max'
  | 'avg'
  | {
      /** Growth of counters: per second, or in all of the window; summed over the series. A counter that starts over counts from 0. */
      readonly kind: 'rate' | 'increase'
      /** The last time that counts, in milliseconds. */
      readonly windowMs: number
    }
  | {
      /** A quantile of what a histogram saw; `metric` is its name without `_bucket`. Interpolated as Prometheus does it. */
      readonly kind: 'quantile'
      /** Which, from 0 to 1, such as 0.99. */
      readonly quantile: number
      /** The last time that counts, in milliseconds. */
      readonly windowMs: number
    }

/** What every rule has. */
export interface RuleBase {
  /** Its name, unique. */
  readonly name: string
  /** Name of the series. */
  readonly metric: string
  /** Only series with these labels. @default all */
  readonly labels?: Readonly<Record<string, string>>
  /** How long it must be true before it fires, in milliseconds. @default 0 */
  readonly durationMs?: number
  /** How long it goes on firing when it is no longer true, in milliseconds. @default 0 */
  readonly keepFiringMs?: number
  /** How bad it is. @default 'warning' */
  readonly severity?: AlertSeverity
  /** Names of the channels that are told. @default all */
  readonly channels?: readonly string[]
  /** Whether it is evaluated. @default true */
  readonly enabled?: boolean
  /** For people and channels: summary, runbook, team. Don't put secrets here: channels send it. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
}

/** Is true while a value compares with a threshold. */
export interface ThresholdRule extends RuleBase {
  /** How they are compared. */
  readonly condition: Condition
  /** What the value is compared with. */
  readonly threshold: number
  /** How samples become one value. @default 'sum' */
  readonly aggregate?: Aggregate
  /** Names of labels: there is one value, and one alert, for each combination of theirs. @default one for all */
  readonly groupBy?: readonly string[]
}

/** Is true while there is no series of that name and those labels. */
export interface AbsenceRule extends RuleBase {
  /** That there is none. */
  readonly condition: 'absent'
}

/** When to alert. */
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
 * Checks rules as a whole.
 *
 * @returns copies, which the caller can't change any more
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkRules(rules: unknown, channelNames: readonly string[]): readonly AlertRule[] {
  if (!Array.isArray(rules)) throw invalidError('rules', rules, 'an array')
  const names = new Set<string>()
  for (const [index, rule] of rules.entries()) {
    checkRule(`rules[${index}]`, rule, channelNames)
    if (names.has(rule.name)) throw invalidError(`rules[${index}].name`, rule.name, 'a name that no other rule has')
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

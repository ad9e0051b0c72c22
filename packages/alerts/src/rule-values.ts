import { histogramQuantile } from './histogram-quantile.ts'
import type { MetricSample } from './metric-source.ts'
import type { Aggregate, AlertRule } from './rule.ts'
import { createSeriesHistory, type Growth } from './series-history.ts'

/** Labels and value of a group. */
export interface GroupValue {
  /** Values of the labels that the rule groups by. */
  readonly labels: Readonly<Record<string, string>>
  /** Value to compare with the threshold. */
  readonly value: number
}

/** Computes the values of a rule from all samples. */
export type RuleValues = (samples: readonly MetricSample[], now: number) => readonly GroupValue[]

/** A key that is equal for equal labels in any order. */
export function labelsKey(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Creates the function that computes the values of a rule, with its history. The value of an absence rule is its number of series. */
export function createRuleValues(rule: AlertRule): RuleValues {
  const { aggregate = 'sum', groupBy = [] } = rule.condition === 'absent' ? {} : rule
  const metric = typeof aggregate === 'object' && aggregate.kind === 'quantile' ? `${rule.metric}_bucket` : rule.metric
  const wanted = Object.entries(rule.labels ?? {})
  const reduce = createReducer(aggregate)

  return (samples, now) => {
    const groups = new Map<string, { labels: Record<string, string>; members: MetricSample[] }>()
    for (const sample of samples) {
      const { name, labels, value } = sample
      if (name !== metric || !Number.isFinite(value) || !wanted.every(([label, text]) => labels[label] === text)) continue
      const own = Object.fromEntries(groupBy.flatMap((label) => (labels[label] === undefined ? [] : [[label, labels[label]]])))
      const key = labelsKey(own)
      const group = groups.get(key)
      if (group) group.members.push(sample)
      else groups.set(key, { labels: own, members: [sample] })
    }
    const reduced = reduce(
      [...groups.values()].map(({ members }) => members),
      now,
    )
    return [...groups.values()].flatMap(({ labels }, index) => {
      const value = reduced[index]
      return value === undefined ? [] : [{ labels, value }]
    })
  }
}

/** Reduces the samples of each group to a value; `undefined` while there is none. */
type Reducer = (groups: readonly (readonly MetricSample[])[], now: number) => readonly (number | undefined)[]

function createReducer(aggregate: Aggregate): Reducer {
  if (typeof aggregate === 'string') return (groups) => groups.map((members) => reduceAtOnce(aggregate, members))
  const history = createSeriesHistory(aggregate.windowMs)
  return (groups, now) => {
    const values = new Map(groups.flat().map(({ labels, value }) => [labelsKey(labels), value]))
    const growths = history.update(values, now)
    return groups.map((members) => reduceGrowth(aggregate, members, growths))
  }
}

function reduceAtOnce(aggregate: Aggregate & string, members: readonly MetricSample[]): number {
  const reduced = members
    .map(({ value }) => value)
    .reduce((one, other) => {
      if (aggregate === 'min') return Math.min(one, other)
      return aggregate === 'max' ? Math.max(one, other) : one + other
    })
  return aggregate === 'avg' ? reduced / members.length : reduced
}

function reduceGrowth(
  aggregate: Aggregate & object,
  members: readonly MetricSample[],
  growths: ReadonlyMap<string, Growth>,
): number | undefined {
  const known = members.flatMap(({ labels }) => {
    const growth = growths.get(labelsKey(labels))
    return growth ? [{ labels, ...growth }] : []
  })
  if (known.length === 0) return undefined
  if (aggregate.kind === 'quantile') return histogramQuantile(aggregate.quantile, countByBound(known))
  return known.reduce((sum, { perMs, knownMs }) => {
    return sum + perMs * (aggregate.kind === 'rate' ? 1000 : Math.min(knownMs, aggregate.windowMs))
  }, 0)
}

/** Growth of the buckets of a group, by upper bound. */
function countByBound(buckets: readonly (Growth & Pick<MetricSample, 'labels'>)[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const { labels, perMs } of buckets) {
    const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le'])
    counts.set(bound, (counts.get(bound) ?? 0) + perMs)
  }
  return counts
}

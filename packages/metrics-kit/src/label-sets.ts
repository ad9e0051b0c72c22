/** Label values of a metric, in the order of its label names. */
export type LabelValues = readonly (string | number)[]

/** The labels of a series. */
export type Labels = Record<string, string | number>

/** The part of a series that its {@link LabelSets} keep. */
export interface LabelSet {
  readonly labels: Labels
  /** When it was last used, by `performance.now()`. */
  usedAt: number
}

/** Limits of {@link createLabelSets}. */
export interface LabelSetLimits<Series extends LabelSet> {
  readonly maxSeries: number
  readonly onOverflow: () => void
  /** Time without use after which a series can be removed, in milliseconds. */
  readonly idleMs: (labels: Labels) => number
  /** Creates the series of a set of labels. */
  readonly create: (labels: Labels) => Series
  /** Removes a series. @returns whether it may be removed */
  readonly leave: (series: Series) => boolean
  /** The time, by `performance.now()`. */
  readonly now: () => number
}

/** The series of a metric by their label values, bounded in number. */
export interface LabelSets<Series extends LabelSet> {
  /** The series with these values, or the one of `other` beyond the limit. */
  of(values: LabelValues): Series
  /** All series. */
  all(): Iterable<Series>
  /** Removes all series. */
  clear(): void
}

/** Minimum time between two searches for removable series, in milliseconds: each visits all series. */
const sweepMs = 1_000

/** Label values as they were given, one level for each: no text is joined for a known series. */
class Branch<Series> {
  readonly branches: Map<string | number, Branch<Series>> = new Map()
  series: Series | undefined
}

/** Creates an empty table. */
export function createLabelSets<Series extends LabelSet>(
  names: readonly string[],
  { maxSeries, onOverflow, idleMs, create, leave, now }: LabelSetLimits<Series>,
): LabelSets<Series> {
  const known = new Map<string, Series>()
  let root = new Branch<Series>()
  let leaves = 0
  let other: Series | undefined
  let sweptAt = Number.NEGATIVE_INFINITY

  function makeRoom(): void {
    const time = now()
    if (time - sweptAt < sweepMs) return
    sweptAt = time
    forgetBranches()
    for (const [key, series] of known) {
      if (time - series.usedAt >= idleMs(series.labels) && leave(series)) known.delete(key)
    }
  }
  function forgetBranches(): void {
    root = new Branch()
    leaves = 0
  }
  function overflow(): Series {
    onOverflow()
    other ??= create(Object.fromEntries(names.map((name) => [name, 'other'])))
    return other
  }
  /** The series of the same texts: a number and its text are one value. */
  function find(values: LabelValues): Series {
    const texts = names.map((_, index) => String(values[index] ?? '').toWellFormed())
    const key = texts.join('\0')
    const found = known.get(key)
    if (found) return found
    if (known.size >= maxSeries) makeRoom()
    if (known.size >= maxSeries) return overflow()
    const series = create(Object.fromEntries(names.map((name, index) => [name, texts[index] as string])))
    known.set(key, series)
    return series
  }
  function learn(values: LabelValues): Series {
    const series = find(values)
    if (series === other) return series
    if (leaves >= 2 * maxSeries) forgetBranches()
    leaves++
    let branch = root
    for (const value of values) {
      let next = branch.branches.get(value)
      if (!next) {
        next = new Branch()
        branch.branches.set(value, next)
      }
      branch = next
    }
    branch.series = series
    return series
  }

  return {
    of(values) {
      let branch: Branch<Series> | undefined = root
      for (let index = 0; index < values.length && branch; index++) branch = branch.branches.get(values[index] as string)
      const series = branch?.series ?? learn(values)
      series.usedAt = now()
      return series
    },
    *all() {
      yield* known.values()
      if (other) yield other
    },
    clear() {
      known.clear()
      forgetBranches()
      other = undefined
    },
  }
}

/** Growth of a counter. */
export interface Growth {
  /** Average growth per millisecond over the window. */
  readonly perMs: number
  /** Known part of the window, in milliseconds; can be slightly more than the window. */
  readonly knownMs: number
}

/** History of counters. */
export interface SeriesHistory {
  /** Adds the values of one collection, by series. @returns the growth of series known before */
  update(values: ReadonlyMap<string, number>, now: number): ReadonlyMap<string, Growth>
}

interface Series {
  /** Last value of the counter. */
  last: number
  /** Growth since the first sighting, including growth after resets. */
  grown: number
  /** `grown` at some moments; the first is the last one before the window. */
  readonly points: { readonly at: number; readonly grown: number }[]
  seenAt: number
}

/** Number of stored moments per window, which bounds the memory for any interval. */
const pointsPerWindow = 60

/** Creates a history of counters over a window in milliseconds. Series not seen for longer are removed. */
export function createSeriesHistory(windowMs: number): SeriesHistory {
  const known = new Map<string, Series>()
  let previousAt: number | undefined

  function find(key: string, value: number, now: number): Series {
    const found = known.get(key)
    if (found) return found
    // A counter that appears between two collections was 0 before. The past of counters in the first collection is unknown.
    const made: Series =
      previousAt === undefined
        ? { last: value, grown: 0, points: [], seenAt: now }
        : { last: 0, grown: 0, points: [{ at: previousAt, grown: 0 }], seenAt: now }
    known.set(key, made)
    return made
  }

  function update(series: Series, value: number, now: number): Growth | undefined {
    const { points } = series
    series.grown += value >= series.last ? value - series.last : value
    series.last = value
    series.seenAt = now
    while (points[1] && points[1].at <= now - windowMs) points.shift()
    const [first] = points
    const latest = points.at(-1)
    if (!latest || now - latest.at >= windowMs / pointsPerWindow) points.push({ at: now, grown: series.grown })
    if (!first || now <= first.at) return undefined
    return { perMs: (series.grown - first.grown) / (now - first.at), knownMs: now - first.at }
  }

  return {
    update(values, now) {
      const growths = new Map<string, Growth>()
      for (const [key, value] of values) {
        const growth = update(find(key, value, now), value, now)
        if (growth) growths.set(key, growth)
      }
      for (const [key, { seenAt }] of known) {
        if (now - seenAt > windowMs) known.delete(key)
      }
      previousAt = now
      return growths
    },
  }
}

/** How a counter grew. */
export interface Growth {
  /** By how much in a millisecond, on average over the window. */
  readonly perMs: number
  /** How much of the window is known, in milliseconds; a little more than the window at times. */
  readonly knownMs: number
}

/** What is remembered of counters. */
export interface SeriesHistory {
  /** Takes the values of one collection, by series. @returns the growth of those that were known before */
  update(values: ReadonlyMap<string, number>, now: number): ReadonlyMap<string, Growth>
}

interface Series {
  /** What the counter read. */
  last: number
  /** How much it has grown since it is known, starts over included. */
  grown: number
  /** `grown` as of some moments: the first is the last one before the window. */
  readonly points: { readonly at: number; readonly grown: number }[]
  seenAt: number
}

/** Moments that are remembered of a window: what bounds the memory, whatever the interval. */
const pointsPerWindow = 60

/** Makes a history of counters over a window in milliseconds. What was not seen for longer is forgotten. */
export function createSeriesHistory(windowMs: number): SeriesHistory {
  const known = new Map<string, Series>()
  let previousAt: number | undefined

  function find(key: string, value: number, now: number): Series {
    const found = known.get(key)
    if (found) return found
    // A counter that appears between two collections was 0 before. Of those that are there at first, nobody knows.
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

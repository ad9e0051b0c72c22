/**
 * Computes a quantile by linear interpolation within its bucket, as `histogram_quantile` of Prometheus.
 *
 * @param counts number of observations up to each upper bound; the bound `Infinity` has all
 * @returns the highest finite bound if the quantile is beyond it; `undefined` without observations
 */
export function histogramQuantile(quantile: number, counts: ReadonlyMap<number, number>): number | undefined {
  const buckets = [...counts].sort(([one], [other]) => one - other)
  const total = counts.get(Number.POSITIVE_INFINITY) ?? 0
  if (!(total > 0)) return undefined
  const rank = quantile * total
  let lower = 0
  let below = 0
  for (const [upper, count] of buckets) {
    if (upper === Number.POSITIVE_INFINITY) return buckets.length > 1 ? lower : undefined
    if (count >= rank) {
      if (upper <= 0 || count <= below) return upper
      return lower + (upper - lower) * ((rank - below) / (count - below))
    }
    lower = upper
    // Counters of one histogram are read one after the other, so a larger bucket can have an older value.
    below = Math.max(below, count)
  }
  return undefined
}

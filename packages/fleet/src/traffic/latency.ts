import { LATENCY_BOUNDS } from '@sd/admin'

/** Number of buckets: one for each bound, and one for everything above. */
export const BUCKETS: number = LATENCY_BOUNDS.length + 1

/**
 * Returns the latency that a share of the responses did not exceed, interpolated within its bucket as `histogram_quantile` of
 * Prometheus does; `undefined` without responses. Above the last bound it is that bound.
 *
 * @param buckets number of responses by duration, see `LATENCY_BOUNDS`
 */
export function quantile(buckets: ArrayLike<number>, share: number): number | undefined {
  let total = 0
  for (let index = 0; index < BUCKETS; index++) total += buckets[index] ?? 0
  if (total <= 0) return undefined
  const wanted = share * total
  let before = 0
  for (const [index, bound] of LATENCY_BOUNDS.entries()) {
    const inBucket = buckets[index] ?? 0
    if (inBucket > 0 && before + inBucket >= wanted) {
      const lower = LATENCY_BOUNDS[index - 1] ?? 0
      return lower + (bound - lower) * ((wanted - before) / inBucket)
    }
    before += inBucket
  }
  return LATENCY_BOUNDS.at(-1)
}

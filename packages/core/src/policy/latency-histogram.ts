/** Recent latencies, in bounded memory. */
export interface LatencyHistogram {
  /** Records a latency in milliseconds. @param now the time by `performance.now()`, if known */
  record(latencyMs: number, now?: number): void
  /**
   * Returns the latency that the given share of recent latencies did not exceed, at most 5 % too high; `undefined` with
   * fewer than `minSamples`. Up to a thousandth of the latencies, the newest, may be missing.
   *
   * @param now the time by `performance.now()`, if known
   */
  quantile(share: number, minSamples: number, now?: number): number | undefined
}

/** Ratio of the upper to the lower end of a bucket. */
const growth = 1.05
const smallestMs = 0.1
/** Covers 0.1 ms to about half an hour. */
const bucketCount = 340
const logOfGrowth = Math.log(growth)
/** Share of new latencies from which a quantile is computed again. A thousandth hardly changes it. */
const staleShare = 1 / 1024

/**
 * Creates a histogram whose buckets grow by 5 %. Two halves alternate, so that it covers the last one to two windows. It
 * takes 2.7 KB regardless of traffic.
 */
export function createLatencyHistogram(windowMs: number): LatencyHistogram {
  let current = new Uint32Array(bucketCount)
  let previous = new Uint32Array(bucketCount)
  let total = 0
  let currentTotal = 0
  let rotatedAt = performance.now()
  /** The quantile computed last, and the number of latencies it was computed from. */
  let lastShare = 0
  let lastTotal = 0
  let lastQuantile = 0

  function rotate(now: number): void {
    const age = now - rotatedAt
    if (age < windowMs) return
    const emptied = previous.fill(0)
    // After two windows without a visit, `current` is outdated too.
    previous = age < 2 * windowMs ? current : current.fill(0)
    total = age < 2 * windowMs ? currentTotal : 0
    current = emptied
    currentTotal = 0
    lastTotal = 0
    rotatedAt += age - (age % windowMs)
  }

  return {
    record(latencyMs, now = performance.now()) {
      rotate(now)
      const index = Math.ceil(Math.log(latencyMs / smallestMs) / logOfGrowth)
      const bucket = Math.min(bucketCount - 1, Math.max(0, index))
      current[bucket] = (current[bucket] as number) + 1
      currentTotal++
      total++
    },
    quantile(share, minSamples, now = performance.now()) {
      rotate(now)
      if (total < minSamples) return undefined
      if (share === lastShare && lastTotal > 0 && total - lastTotal <= Math.floor(total * staleShare)) return lastQuantile
      let left = Math.max(1, Math.ceil(share * total))
      let bucket = 0
      for (; bucket < bucketCount - 1; bucket++) {
        left -= (current[bucket] as number) + (previous[bucket] as number)
        if (left <= 0) break
      }
      lastShare = share
      lastTotal = total
      lastQuantile = smallestMs * growth ** bucket
      return lastQuantile
    },
  }
}

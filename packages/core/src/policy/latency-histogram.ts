/** Recent latencies, in bounded memory. */
export interface LatencyHistogram {
  /** Adds one latency in milliseconds. @param now the time by `performance.now()`, where it is known */
  record(latencyMs: number, now?: number): void
  /**
   * The latency that a share of the recent ones did not exceed, at most 5 % too high; `undefined` while there are fewer than `minSamples`. Up to a
   * thousandth of the latencies, the newest, may not yet be in it.
   *
   * @param now the time by `performance.now()`, where it is known
   */
  quantile(share: number, minSamples: number, now?: number): number | undefined
}

/** Width of a bucket: each ends 5 % above its lower end. */
const growth = 1.05
const smallestMs = 0.1
/** From 0.1 ms to about half an hour. */
const bucketCount = 340
const logOfGrowth = Math.log(growth)
/** A quantile is computed again after so many new latencies for each one that is known: a thousandth of them hardly moves it. */
const staleShare = 1 / 1024

/**
 * A histogram with buckets that grow by 5 %, in two halves that take turns, so that it knows the last one to two windows: 2.7 KB, whatever
 * the traffic.
 */
export function createLatencyHistogram(windowMs: number): LatencyHistogram {
  let current = new Uint32Array(bucketCount)
  let previous = new Uint32Array(bucketCount)
  let total = 0
  let currentTotal = 0
  let rotatedAt = performance.now()
  /** The quantile that was asked for last, and of how many it is. */
  let lastShare = 0
  let lastTotal = 0
  let lastQuantile = 0

  function rotate(now: number): void {
    const age = now - rotatedAt
    if (age < windowMs) return
    const emptied = previous.fill(0)
    // After two windows without a visit what is in `current` is old, too.
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

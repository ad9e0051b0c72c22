/** Latencies of one window. */
export interface SampleWindow {
  /** Number of samples since the last `clear`. */
  readonly count: number
  /** Adds a latency in milliseconds. */
  add(latencyMs: number): void
  /** The latency at a percentile from 0 to 100, by nearest rank; NaN without samples. */
  percentile(percentile: number): number
  /** Removes all samples. */
  clear(): void
}

/** Creates a window that keeps the last 1,024 latencies. More would not improve a percentile. */
export function createSampleWindow(): SampleWindow {
  const samples = new Float64Array(1_024)
  let count = 0
  return {
    get count() {
      return count
    },
    add(latencyMs) {
      samples[count++ % samples.length] = latencyMs
    },
    percentile(percentile) {
      const sorted = samples.slice(0, count).sort()
      return sorted[Math.max(0, Math.ceil((percentile / 100) * sorted.length) - 1)] ?? Number.NaN
    },
    clear() {
      count = 0
    },
  }
}

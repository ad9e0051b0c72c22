/** Latencies of one window. */
export interface SampleWindow {
  /** How many were added since it was cleared. */
  readonly count: number
  /** Adds a latency in milliseconds. */
  add(latencyMs: number): void
  /** The latency at a percentile from 0 to 100, by nearest rank; NaN if there is none. */
  percentile(percentile: number): number
  /** Forgets everything. */
  clear(): void
}

/** Makes a window that keeps the last 1,024 latencies; more would not make a percentile any better. */
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

import { createLatencyHistogram } from '@sd/core'
import type { ResolvedHedgeOptions } from './options.ts'

/** How long to wait before another attempt. */
export interface HedgeDelay {
  /** As of now, in milliseconds. */
  currentMs(): number
  /** Learns how long a first attempt took, in milliseconds. */
  learn(latencyMs: number): void
}

/** A fixed delay, or one that follows a percentile of what it learns. */
export function createDelay({
  delayMs,
  percentile,
  minSamples,
  windowMs,
}: Pick<ResolvedHedgeOptions<unknown>, 'delayMs' | 'percentile' | 'minSamples' | 'windowMs'>): HedgeDelay {
  if (percentile === undefined) return { currentMs: () => delayMs, learn: () => undefined }
  const latencies = createLatencyHistogram(windowMs)
  return {
    currentMs() {
      const latencyMs = latencies.quantile(percentile, minSamples)
      // Timers cut fractions off, which would hedge more calls than the percentile says.
      return latencyMs === undefined ? delayMs : Math.ceil(latencyMs)
    },
    learn: (latencyMs) => latencies.record(latencyMs),
  }
}

import { createLatencyHistogram } from '@sd/core'
import type { ResolvedHedgeOptions } from './options.ts'

/** How long to wait before another attempt. */
export interface HedgeDelay {
  /** The current delay, in milliseconds. */
  currentMs(): number
  /** Records the latency of a first attempt, in milliseconds. */
  learn(latencyMs: number): void
}

/** Creates a fixed delay, or one that follows a percentile of the recorded latencies. */
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
      // Timers truncate fractions, so that more calls would be hedged than the percentile allows.
      return latencyMs === undefined ? delayMs : Math.ceil(latencyMs)
    },
    learn: (latencyMs) => latencies.record(latencyMs),
  }
}

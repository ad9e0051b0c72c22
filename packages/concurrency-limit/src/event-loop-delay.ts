import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Tells how late the event loop runs. */
export interface EventLoopDelay {
  /** Mean lateness since the last reading, in milliseconds. If nothing was measured since then, that reading again; 0 at first. */
  read(): number
  /** Stops to measure. */
  close(): void
}

/** Interval of the measurements in milliseconds: the default of Node. */
const resolutionMs = 10

/** Starts to measure with `monitorEventLoopDelay`, whose timer doesn't keep the process alive. */
export function createEventLoopDelay(): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  let delayMs = 0
  return {
    read() {
      // A reset also drops the tick that follows it: resetting an empty histogram would hide a loop that is always late.
      if (histogram.count === 0) return delayMs
      // What it records is the time between two ticks of its timer, so the interval itself is in it. The mean, not the median: a
      // blocked loop has few ticks, and the many quick ones between two blocks would outvote them.
      delayMs = Math.max(0, histogram.mean / 1e6 - resolutionMs)
      histogram.reset()
      return delayMs
    },
    close: () => {
      histogram.disable()
    },
  }
}

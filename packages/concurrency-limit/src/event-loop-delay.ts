import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Measures the delay of the event loop. */
export interface EventLoopDelay {
  /** Mean delay since the last reading, in milliseconds. Without a new measurement, the last reading again; 0 at first. */
  read(): number
  /** Stops measuring. */
  close(): void
}

/** Measurement interval in milliseconds: Node's default. */
const resolutionMs = 10

/** Starts measuring with `monitorEventLoopDelay`, whose timer does not keep the process alive. */
export function createEventLoopDelay(): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  let delayMs = 0
  return {
    read() {
      // A reset also drops the next tick. Resetting an empty histogram would hide a loop that is always late.
      if (histogram.count === 0) return delayMs
      // The histogram records the time between two ticks of its timer, including the interval itself. Use the mean, not the
      // median: a blocked loop has few ticks, and the many fast ones between two blocks would dominate a median.
      delayMs = Math.max(0, histogram.mean / 1e6 - resolutionMs)
      histogram.reset()
      return delayMs
    },
    close: () => {
      histogram.disable()
    },
  }
}

import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { SystemReport } from '../protocol.ts'

/** Sampling interval of the event loop delay, in milliseconds. */
const resolutionMs = 20

/** What is measured of the process in each second. */
export type SystemSample = Omit<SystemReport, 'databases' | 'uptimeMs' | 'heapLimitBytes'>

/** Measures CPU, memory and the event loop of this process. */
export interface SystemMonitor {
  /** The last sample. */
  readonly latest: SystemSample
  /** Limit of the heap, in bytes. */
  readonly heapLimitBytes: number
  /** Takes a sample of the time since the previous one. */
  sample(): SystemSample
  /** Stops measuring. */
  close(): void
}

/** Starts to measure. */
export function createSystemMonitor(): SystemMonitor {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  let cpu = process.cpuUsage()
  let sampledAt = performance.now()
  let latest: SystemSample = { cpu: 0, ...measureMemory(), loopDelayMs: 0 }
  return {
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    get latest() {
      return latest
    },
    sample() {
      const { user, system } = process.cpuUsage(cpu)
      const now = performance.now()
      const elapsedMs = now - sampledAt
      cpu = process.cpuUsage()
      sampledAt = now
      // The recorded value is the time between two ticks in nanoseconds.
      const loopDelayMs = delay.count > 0 ? Math.max(0, delay.percentile(99) / 1e6 - resolutionMs) : latest.loopDelayMs
      // A reset also drops the next tick, so an empty histogram is not reset.
      if (delay.count > 0) delay.reset()
      latest = { cpu: elapsedMs > 0 ? (user + system) / 1_000 / elapsedMs : 0, ...measureMemory(), loopDelayMs }
      return latest
    },
    close: () => void delay.disable(),
  }
}

function measureMemory(): Pick<SystemSample, 'residentBytes' | 'heapUsedBytes'> {
  const { rss, heapUsed } = process.memoryUsage()
  return { residentBytes: rss, heapUsedBytes: heapUsed }
}

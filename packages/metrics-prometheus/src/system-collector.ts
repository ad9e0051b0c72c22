import { cpus, freemem, loadavg, totalmem } from 'node:os'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { checkDuration, checkKnownKeys } from '@sd/core'
import type { Collector } from './collector.ts'
import type { MetricSet } from './metric-set.ts'

/** Options of {@link createSystemCollector}. */
export interface SystemCollectorOptions {
  /** Time between two runs in milliseconds. @default 10_000 */
  readonly intervalMs?: number
}

/** Sampling interval of the event loop delay, in milliseconds: Node's default. */
const resolutionMs = 10

/** Measures CPU time and memory of the process and its host, and the event loop delay. */
export function createSystemCollector(options: SystemCollectorOptions = {}): Collector {
  checkKnownKeys('', options, ['intervalMs'])
  const intervalMs = checkDuration('intervalMs', options.intervalMs ?? 10_000, 1)
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  let utilization = performance.eventLoopUtilization()
  return {
    name: 'system',
    intervalMs,
    collect(metrics) {
      measureProcess(metrics)
      measureHost(metrics)
      const seconds = metrics.gauge({
        name: 'process_event_loop_delay_seconds',
        help: 'Event loop delay since the previous run of the collector.',
        labelNames: ['statistic'],
      })
      // A reset also drops the next tick, so an empty histogram is not reset.
      if (delay.count > 0) {
        seconds.set({ statistic: 'mean' }, lateness(delay.mean))
        seconds.set({ statistic: 'p99' }, lateness(delay.percentile(99)))
        seconds.set({ statistic: 'max' }, lateness(delay.max))
        delay.reset()
      }
      const before = utilization
      utilization = performance.eventLoopUtilization()
      metrics
        .gauge({
          name: 'process_event_loop_utilization_ratio',
          help: 'Share of the time since the previous run in which the event loop was busy, 0 to 1.',
        })
        .set(performance.eventLoopUtilization(utilization, before).utilization)
    },
    close: () => void delay.disable(),
  }
}

/** The recorded value is the time between two ticks in nanoseconds, including the tick interval. */
function lateness(recordedNs: number): number {
  return Math.max(0, recordedNs / 1e9 - resolutionMs / 1_000)
}

function measureProcess(metrics: MetricSet): void {
  const { user, system } = process.cpuUsage()
  const cpu = metrics.counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, in seconds.',
    labelNames: ['mode'],
  })
  cpu.reset()
  cpu.inc({ mode: 'user' }, user / 1e6)
  cpu.inc({ mode: 'system' }, system / 1e6)
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage()
  const memory = metrics.gauge({
    name: 'process_memory_bytes',
    help: 'Memory of the process, in bytes.',
    labelNames: ['area'],
  })
  memory.set({ area: 'resident' }, rss)
  memory.set({ area: 'heap_total' }, heapTotal)
  memory.set({ area: 'heap_used' }, heapUsed)
  memory.set({ area: 'external' }, external)
  metrics
    .gauge({ name: 'process_start_time_seconds', help: 'Unix time at which the process started.' })
    .set(performance.timeOrigin / 1_000)
}

function measureHost(metrics: MetricSet): void {
  const cpu = metrics.counter({
    name: 'host_cpu_seconds_total',
    help: 'CPU time of the host, summed over all processors.',
    labelNames: ['mode'],
  })
  cpu.reset()
  for (const { times } of cpus()) {
    for (const [mode, spentMs] of Object.entries(times)) cpu.inc({ mode }, spentMs / 1_000)
  }
  const memory = metrics.gauge({
    name: 'host_memory_bytes',
    help: 'Memory of the host, in bytes; free is the memory that processes can still allocate.',
    labelNames: ['area'],
  })
  memory.set({ area: 'total' }, totalmem())
  memory.set({ area: 'free' }, freemem())
  metrics.gauge({ name: 'host_load1', help: 'Load average of the host over one minute; 0 on Windows.' }).set(loadavg()[0] ?? 0)
}

import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkName,
  checkObject,
  closedError,
  guardListener,
  SdError,
  sleep,
  spread,
  withTimeout,
} from '@sd/core'
import type { MetricSet } from './metric-set.ts'

/** What a collector may use. */
export interface CollectOptions {
  /** Fires when the collector takes too long, and when the metrics are closed. */
  readonly signal: AbortSignal
}

/** Measures something on an interval. */
export interface Collector {
  /** Its name, for the metrics about collectors; no two have the same. */
  readonly name: string
  /** Time between two runs in milliseconds, from 100 to a day; spread by ± 10 %. */
  readonly intervalMs: number
  /** Limit of one run in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
  /** Measures and puts what it finds into `metrics`, which hands out each metric by its name. What it throws is counted. */
  collect(metrics: MetricSet, options: CollectOptions): Promise<void> | void
  /** Lets go of what it holds. Called once, in the end. */
  close?(): void
}

const longestIntervalMs = 86_400_000

/** How a run of a collector ended; `skipped`: it did not begin, because one that took too long was still under way. */
type RunResult = 'ok' | 'failed' | 'timeout' | 'skipped'

/** Runs collectors. */
export interface CollectorRunner {
  /** Begins to run a collector, now and then on its interval. What it measured last stays after its end. @returns a function that ends it */
  add(collector: Collector): () => void
  /** Ends all. */
  close(): void
}

/** Builds the runner. A collector that fails or hangs hurts no other one. @param onError told of failures */
export function createCollectorRunner(metrics: MetricSet, onError: (error: unknown) => void): CollectorRunner {
  const ends = new Map<string, () => void>()
  let isClosed = false
  const runs = metrics.counter({
    name: 'collector_runs_total',
    help: 'Runs of collectors, by how they ended; skipped is a run while one that took too long was under way.',
    labelNames: ['collector', 'result'],
  })
  const lastSuccess = metrics.gauge({
    name: 'collector_last_success_timestamp_seconds',
    help: 'When the collector succeeded last, in Unix time.',
    labelNames: ['collector'],
  })

  return {
    add(collector) {
      if (isClosed) throw closedError('metrics')
      checkCollector(collector)
      const { name, intervalMs } = collector
      if (ends.has(name)) throw new SdError('SD_CONFLICT', `There is a collector ${name} already`)
      const ending = new AbortController()
      const run = createRun(collector, metrics, onError, ending.signal)
      const loop = async (): Promise<void> => {
        while (!ending.signal.aborted) {
          const result = await run()
          if (ending.signal.aborted) return
          runs.inc({ collector: name, result })
          if (result === 'ok') lastSuccess.set({ collector: name }, Date.now() / 1_000)
          await sleep(spread(intervalMs), ending.signal).catch(() => undefined)
        }
      }
      const end = (): void => {
        if (!ends.delete(name)) return
        ending.abort()
        guardListener(
          `close of collector ${name}`,
          () => collector.close?.(),
          ({ cause }) => onError(cause),
        )()
      }
      ends.set(name, end)
      void loop()
      return end
    },
    close() {
      isClosed = true
      for (const end of ends.values()) end()
    },
  }
}

function createRun(
  collector: Collector,
  metrics: MetricSet,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): () => Promise<RunResult> {
  const { name, timeoutMs = 5_000 } = collector
  let isUnderWay = false

  async function collect(limit: AbortSignal): Promise<void> {
    isUnderWay = true
    try {
      await collector.collect(metrics, { signal: limit })
    } finally {
      isUnderWay = false
    }
  }
  return async () => {
    if (isUnderWay) return 'skipped'
    try {
      await withTimeout({ timeoutMs, what: `collector ${name}`, signal }, collect)
      return 'ok'
    } catch (error) {
      if (!signal.aborted) onError(error)
      return error instanceof SdError && error.code === 'SD_TIMEOUT' ? 'timeout' : 'failed'
    }
  }
}

function checkCollector(collector: Collector): void {
  const { name, intervalMs, timeoutMs, collect } = checkObject('collector', collector) as unknown as Collector
  checkName('collector.name', name)
  checkInteger('collector.intervalMs', intervalMs, { min: 100, max: longestIntervalMs })
  if (timeoutMs !== undefined) checkDuration('collector.timeoutMs', timeoutMs, 1)
  checkFunction('collector.collect', collect)
}

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

/** Options of a run of a collector. */
export interface CollectOptions {
  /** Aborts when the run exceeds `timeoutMs` and when the metrics are closed. */
  readonly signal: AbortSignal
}

/** Takes measurements on an interval. */
export interface Collector {
  /** Unique name, the label `collector` of the metrics about collectors. */
  readonly name: string
  /** Time between two runs in milliseconds, from 100 to one day; spread by ± 10 %. */
  readonly intervalMs: number
  /** Limit of one run in milliseconds. @default 5_000 */
  readonly timeoutMs?: number
  /** Measures and writes the values to `metrics`, which returns each metric by its name. Failures are counted. */
  collect(metrics: MetricSet, options: CollectOptions): Promise<void> | void
  /** Releases resources. Called once, when the collector is stopped. */
  close?(): void
}

const longestIntervalMs = 86_400_000

/** Result of a run. `skipped`: the run did not begin, because an earlier one was still in progress. */
type RunResult = 'ok' | 'failed' | 'timeout' | 'skipped'

/** Runs collectors. */
export interface CollectorRunner {
  /** Runs a collector now and on its interval. Its last values stay when it is stopped. @returns a function that stops it */
  add(collector: Collector): () => void
  /** Stops all collectors. */
  close(): void
}

/** Builds the runner. A collector that fails or hangs does not affect the others. @param onError receives failures */
export function createCollectorRunner(metrics: MetricSet, onError: (error: unknown) => void): CollectorRunner {
  const ends = new Map<string, () => void>()
  let isClosed = false
  const runs = metrics.counter({
    name: 'collector_runs_total',
    help: 'Collector runs, by result; skipped means that an earlier run was still in progress.',
    labelNames: ['collector', 'result'],
  })
  const lastSuccess = metrics.gauge({
    name: 'collector_last_success_timestamp_seconds',
    help: 'Unix time of the last successful run of the collector.',
    labelNames: ['collector'],
  })

  return {
    add(collector) {
      if (isClosed) throw closedError('metrics')
      checkCollector(collector)
      const { name, intervalMs } = collector
      if (ends.has(name))
        throw new SdError('SD_CONFLICT', `A collector named ${name} already exists: stop it first or use another name`)
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

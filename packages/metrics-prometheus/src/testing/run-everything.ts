import {
  type Collector,
  createDatabaseCollector,
  createMetrics,
  createServiceCollector,
  createSystemCollector,
  type Metrics,
  type MetricsOptions,
} from '../index.ts'

/** Metrics with every collector that there is. */
export function startEverything(options?: MetricsOptions): Metrics {
  const metrics = createMetrics(options)
  const ping = (): Promise<void> => Promise.resolve()
  const collectors: readonly Collector[] = [
    createSystemCollector({ intervalMs: 200 }),
    createDatabaseCollector({ name: 'db', intervalMs: 200, ping, pool: () => ({ size: 5, idle: 3, waiting: 1 }) }),
    createServiceCollector({ name: 'billing', intervalMs: 200, ping }),
  ]
  for (const collector of collectors) metrics.addCollector(collector)
  return metrics
}

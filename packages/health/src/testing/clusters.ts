import type { Endpoint, MonitoredCluster } from '@sd/core'

/** A cluster that records the calls of monitors. */
export interface TestCluster extends MonitoredCluster {
  /** Calls, such as `eject orders-0: http` and `restore orders-0`. */
  readonly log: string[]
  endpoints: readonly Endpoint[]
}

/** Creates a cluster with these endpoints. */
export function createTestCluster(endpoints: readonly Endpoint[]): TestCluster {
  const log: string[] = []
  return {
    service: 'orders',
    endpoints,
    log,
    eject: ({ instance }, { reason }) => void log.push(`eject ${instance.id}: ${reason}`),
    restore: ({ instance }, { rampMs } = {}) => void log.push(`restore ${instance.id} in ${rampMs} ms`),
  }
}

import {
  type AttachedMonitor,
  checkDuration,
  type Endpoint,
  type EndpointMonitor,
  type MonitoredCluster,
  type Outcome,
  type SdError,
  toSdError,
} from '@sd/core'
import type { Ejections } from './ejections.ts'

/** Options of {@link attachMonitors}. */
export interface AttachMonitorsOptions {
  /** Name of the service. */
  readonly service: string
  /** Who watches its endpoints. */
  readonly monitors: readonly EndpointMonitor[]
  /** Where ejections are kept. */
  readonly ejections: Ejections
  /** Told what a monitor throws. */
  readonly onError: (error: SdError) => void
}

/** The monitors at work on one cluster. What they throw hurts nobody. */
export interface AttachedMonitors {
  /** Tells of an attempt that ended; absent if nobody wants to know. */
  readonly observe?: (endpoint: Endpoint, outcome: Outcome) => void
  /** Tells that there is another list of endpoints. */
  update(): void
  /** Ends them; what they do later counts for nothing. */
  close(): void
}

/** Puts monitors to work on a cluster. */
export function attachMonitors(options: AttachMonitorsOptions): AttachedMonitors {
  const { service, monitors, ejections, onError } = options
  let closed = false

  function guard(name: string, run: () => unknown): void {
    try {
      const result = run()
      // An asynchronous method fails later.
      if (result instanceof Promise) result.catch((error: unknown) => fail(name, error))
    } catch (error) {
      fail(name, error)
    }
  }

  function fail(name: string, error: unknown): void {
    onError(toSdError(error, 'SD_MONITOR_FAILED', `monitor ${name} of ${service}`))
  }

  function clusterFor(monitor: string): MonitoredCluster {
    return {
      service,
      get endpoints() {
        return ejections.endpoints
      },
      eject(endpoint, ejection) {
        if (!closed) ejections.eject(monitor, endpoint, ejection)
      },
      restore(endpoint, { rampMs = 0 } = {}) {
        checkDuration('rampMs', rampMs)
        if (!closed) ejections.restore(monitor, endpoint, rampMs)
      },
    }
  }

  const attached: { readonly name: string; readonly monitor: AttachedMonitor }[] = []
  for (const monitor of monitors) {
    guard(monitor.name, () => attached.push({ name: monitor.name, monitor: monitor.attach(clusterFor(monitor.name)) }))
  }
  const observers = attached.filter(({ monitor }) => monitor.observe !== undefined)

  return {
    ...(observers.length > 0 && {
      observe(endpoint: Endpoint, outcome: Outcome) {
        for (const { name, monitor } of observers) guard(name, () => monitor.observe?.(endpoint, outcome))
      },
    }),
    update() {
      for (const { name, monitor } of attached) guard(name, () => monitor.update?.())
    },
    close() {
      closed = true
      for (const { name, monitor } of attached) guard(name, () => monitor.close())
    },
  }
}

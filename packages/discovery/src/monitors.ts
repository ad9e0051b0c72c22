import {
  type AttachedMonitor,
  checkDuration,
  type Endpoint,
  type EndpointCheck,
  type EndpointMonitor,
  type MonitoredCluster,
  type Outcome,
  type SdError,
  toSdError,
} from '@sd/core'
import type { Outs } from './outs.ts'

/** Options of {@link attachMonitors}. */
export interface AttachMonitorsOptions {
  /** Name of the service. */
  readonly service: string
  /** Monitors of its endpoints. */
  readonly monitors: readonly EndpointMonitor[]
  /** Where ejections are recorded. */
  readonly outs: Outs
  /** Receives errors that monitors throw. */
  readonly onError: (error: SdError) => void
}

/** The monitors attached to one cluster. Errors that they throw are contained. */
export interface AttachedMonitors {
  /** Passes the outcome of an attempt to the monitors. */
  observe(endpoint: Endpoint, outcome: Outcome): void
  /** Attaches monitors that are new in the list. Detaches monitors that are no longer in it and ends their ejections. */
  configure(monitors: readonly EndpointMonitor[]): void
  /** Results of the monitors' own checks of an endpoint. */
  checksOf(endpoint: Endpoint): readonly EndpointCheck[]
  /** Notifies the monitors that the list of endpoints changed. */
  update(): void
  /** Closes the monitors. Their later calls have no effect. */
  close(): void
}

interface Attached {
  readonly monitor: EndpointMonitor
  readonly work: AttachedMonitor
}

/** Attaches monitors to a cluster. */
export function attachMonitors(options: AttachMonitorsOptions): AttachedMonitors {
  const { service, monitors, outs, onError } = options
  let closed = false

  function guard(name: string, run: () => unknown): void {
    try {
      const result = run()
      // An asynchronous method rejects later.
      if (result instanceof Promise) result.catch((error: unknown) => fail(name, error))
    } catch (error) {
      fail(name, error)
    }
  }

  function fail(name: string, error: unknown): void {
    onError(toSdError(error, 'SD_MONITOR_FAILED', `monitor ${name} of ${service}`))
  }

  function clusterFor(monitor: EndpointMonitor): MonitoredCluster {
    const isAtWork = (): boolean => !closed && !detached.has(monitor)
    return {
      service,
      get endpoints() {
        return outs.members
      },
      eject(endpoint, ejection) {
        if (isAtWork()) outs.eject(monitor.name, endpoint, ejection)
      },
      restore(endpoint, { rampMs = 0 } = {}) {
        checkDuration('rampMs', rampMs)
        if (isAtWork()) outs.restore(monitor.name, endpoint, rampMs)
      },
    }
  }

  let attached: readonly Attached[] = []
  let observers: readonly Attached[] = []
  const detached = new Set<EndpointMonitor>()

  function attach(monitor: EndpointMonitor): void {
    detached.delete(monitor)
    guard(monitor.name, () => {
      attached = [...attached, { monitor, work: monitor.attach(clusterFor(monitor)) }]
    })
  }

  function detach(removed: Attached): void {
    attached = attached.filter((one) => one !== removed)
    detached.add(removed.monitor)
    guard(removed.monitor.name, () => removed.work.close())
    outs.restoreAll(removed.monitor.name)
  }

  function configure(wanted: readonly EndpointMonitor[]): void {
    for (const one of attached) if (!wanted.includes(one.monitor)) detach(one)
    for (const monitor of wanted) if (!attached.some((one) => one.monitor === monitor)) attach(monitor)
    observers = attached.filter(({ work }) => work.observe !== undefined)
  }

  configure(monitors)
  return {
    configure,
    observe(endpoint, outcome) {
      for (const { monitor, work } of observers) guard(monitor.name, () => work.observe?.(endpoint, outcome))
    },
    checksOf(endpoint) {
      const checks: EndpointCheck[] = []
      for (const { monitor, work } of attached) {
        guard(monitor.name, () => {
          const check = work.explain?.(endpoint)
          if (check) checks.push(check)
        })
      }
      return checks
    },
    update() {
      for (const { monitor, work } of attached) guard(monitor.name, () => work.update?.())
    },
    close() {
      closed = true
      for (const { monitor, work } of attached) guard(monitor.name, () => work.close())
    },
  }
}

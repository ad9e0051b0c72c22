import {
  clusterPanicChannel,
  type Ejection,
  type Endpoint,
  endpointEjectionChannel,
  hasTelemetrySubscribers,
  publishTelemetry,
} from '@sd/core'

/** Reason by which an ejected endpoint is blocked, so that pickers skip it before there is a new view. */
const block = 'ejected'

/** Options of {@link Ejections}. */
export interface EjectionsOptions {
  /** Name of the service. */
  readonly service: string
  /** See `DiscoveryOptions.panicThreshold`. */
  readonly panicThreshold: number
  /** The last ejection of an endpoint was taken back: it is to come to its full weight within that time. */
  readonly onReturn: (endpoint: Endpoint, rampMs: number) => void
  /** An endpoint was taken out or is back, and with that perhaps a panic began or ended. */
  readonly onChange: () => void
}

/** Who is taken out by whom, and whether so few are well that all are used: a panic. */
export class Ejections {
  /** The endpoints that are judged. */
  endpoints: readonly Endpoint[] = []
  /** Whether all endpoints are used, well or not. */
  isPanic: boolean = false
  readonly #options: EjectionsOptions
  readonly #byEndpoint = new Map<Endpoint, Map<string, Ejection>>()
  #wellCount = 0

  constructor(options: EjectionsOptions) {
    this.#options = options
  }

  /** Number of endpoints that are ejected. */
  get count(): number {
    return this.#byEndpoint.size
  }

  /** Whether nobody is left out for not being well: because all are, or in a panic. */
  get usesAll(): boolean {
    return this.isPanic || this.#wellCount === this.endpoints.length
  }

  /** The ejections of an endpoint by name of the monitor, if there are any. */
  of(endpoint: Endpoint): ReadonlyMap<string, Ejection> | undefined {
    return this.#byEndpoint.get(endpoint)
  }

  /** Whether an endpoint is not unhealthy by its own word, and not ejected. */
  isWell(endpoint: Endpoint): boolean {
    return endpoint.instance.health.status !== 'unhealthy' && !this.#byEndpoint.has(endpoint)
  }

  /** Takes over another list, or the same endpoints with other health. The ejections of those that are not in it end. */
  replace(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints
    if (this.#byEndpoint.size > 0) {
      const known = new Set(endpoints)
      for (const endpoint of this.#byEndpoint.keys()) {
        if (known.has(endpoint)) continue
        this.#byEndpoint.delete(endpoint)
        endpoint.unblock(block)
      }
    }
    this.#wellCount = 0
    for (const endpoint of endpoints) if (this.isWell(endpoint)) this.#wellCount++
    this.#judge()
  }

  /** See `MonitoredCluster.eject`. */
  eject(monitor: string, endpoint: Endpoint, ejection: Ejection): void {
    const known = this.#byEndpoint.get(endpoint)
    if (known?.has(monitor) || !this.endpoints.includes(endpoint)) return
    if (known) {
      known.set(monitor, ejection)
    } else {
      if (this.isWell(endpoint)) this.#wellCount--
      this.#byEndpoint.set(endpoint, new Map([[monitor, ejection]]))
      this.#changed(endpoint)
    }
    this.#publish(monitor, endpoint, ejection)
  }

  /** See `MonitoredCluster.restore`. */
  restore(monitor: string, endpoint: Endpoint, rampMs: number): void {
    const known = this.#byEndpoint.get(endpoint)
    if (!known?.delete(monitor)) return
    if (known.size === 0) {
      this.#byEndpoint.delete(endpoint)
      if (this.isWell(endpoint)) this.#wellCount++
      this.#options.onReturn(endpoint, rampMs)
      this.#changed(endpoint)
    }
    this.#publish(monitor, endpoint)
  }

  #changed(endpoint: Endpoint): void {
    this.#judge()
    this.#setBlock(endpoint)
    this.#options.onChange()
  }

  /** Begins or ends a panic. Nobody is blocked in one, at once: the view follows later. */
  #judge(): void {
    const { length } = this.endpoints
    const healthyShare = length === 0 ? 1 : this.#wellCount / length
    const isPanic = healthyShare < this.#options.panicThreshold
    if (isPanic === this.isPanic) return
    this.isPanic = isPanic
    for (const endpoint of this.#byEndpoint.keys()) this.#setBlock(endpoint)
    publishTelemetry(clusterPanicChannel, { service: this.#options.service, isPanic, healthyShare })
  }

  #setBlock(endpoint: Endpoint): void {
    if (this.#byEndpoint.has(endpoint) && !this.isPanic) endpoint.block(block)
    else endpoint.unblock(block)
  }

  #publish(monitor: string, endpoint: Endpoint, ejection?: Ejection): void {
    if (!hasTelemetrySubscribers(endpointEjectionChannel)) return
    const { service, id: instanceId } = endpoint.instance
    publishTelemetry(endpointEjectionChannel, { service, instanceId, origin: endpoint.origin, monitor, ejection })
  }
}

import { type EdgeCounts, type EdgesReport, LATENCY_BOUNDS } from '../protocol.ts'

/** Maximum number of called services. */
const maxServices = 1_000
/** Maximum number of called instances, of all services together. */
const maxInstances = 10_000
/** Maximum number of instances of one service. */
const maxInstancesOfService = 1_000
/** Maximum number of different failures, or refusing policies, of one edge. The rest is counted as `other`. */
const maxReasons = 32
/** Maximum number of names that are remembered as omitted. */
const maxOmitted = 1_000
/** In a full table, an edge without calls for this number of ticks can be removed. */
const idleTicks = 600

/** Calls to a service, or attempts at an instance. Field by field, because it changes with every call. */
class Edge {
  total: number = 0
  failures: number = 0
  retries: number = 0
  hedges: number = 0
  latencySumMs: number = 0
  usedAt: number = 0
  readonly latency: Float64Array = new Float64Array(LATENCY_BOUNDS.length + 1)
  failed: Map<string, number> | undefined
  refused: Map<string, number> | undefined

  record(durationMs: number, failure: string | undefined, tick: number): void {
    this.usedAt = tick
    this.total++
    this.latencySumMs += durationMs
    let bucket = 0
    while (bucket < LATENCY_BOUNDS.length && durationMs > (LATENCY_BOUNDS[bucket] as number)) bucket++
    this.latency[bucket] = (this.latency[bucket] as number) + 1
    if (failure === undefined) return
    this.failures++
    this.failed ??= new Map()
    increment(this.failed, failure)
  }
}

class ServiceEdge extends Edge {
  readonly service: string
  readonly instances: Map<string, Edge> = new Map()

  constructor(service: string) {
    super()
    this.service = service
  }
}

/** Totals of the calls to a service. */
export type ServiceTotals = Readonly<Pick<ServiceEdge, 'service' | 'total' | 'failures' | 'latencySumMs'>>

/** Counts calls and attempts by service and instance, in bounded memory. It reads no clock: time passes by {@link EdgeTable.tick}. */
export class EdgeTable {
  readonly #since: number = Date.now()
  readonly #services: Map<string, ServiceEdge> = new Map()
  readonly #omitted: Set<string> = new Set()
  /** The service of the last event: most processes call few services. */
  #last: ServiceEdge | undefined
  #instances = 0
  #tick = 0
  #sweptAt = 0

  /** Counts a call. @param failure error code, or class of the status */
  call(service: string, durationMs: number, failure: string | undefined): void {
    this.#edgeOf(service)?.record(durationMs, failure, this.#tick)
  }

  /** Counts an attempt at an instance. */
  attempt(service: string, instanceId: string, latencyMs: number, failure: string | undefined): void {
    const edge = this.#edgeOf(service)
    if (edge === undefined) return
    const instance = edge.instances.get(instanceId) ?? this.#addInstance(edge, instanceId)
    instance?.record(latencyMs, failure, this.#tick)
  }

  /** Counts a retry. */
  retry(service: string): void {
    const edge = this.#edgeOf(service)
    if (edge) edge.retries++
  }

  /** Counts a hedge. */
  hedge(service: string): void {
    const edge = this.#edgeOf(service)
    if (edge) edge.hedges++
  }

  /** Counts a refused call. @param policy its kind and name */
  refusal(service: string, policy: string): void {
    const edge = this.#edgeOf(service)
    if (edge === undefined) return
    edge.refused ??= new Map()
    increment(edge.refused, policy)
  }

  /** A second has passed. */
  tick(): void {
    this.#tick++
  }

  /** Totals of every called service. */
  totals(): Iterable<ServiceTotals> {
    return this.#services.values()
  }

  report(): EdgesReport {
    const edges: EdgeCounts[] = []
    for (const edge of this.#services.values()) {
      edges.push(toCounts(edge.service, undefined, edge))
      for (const [instanceId, instance] of edge.instances) edges.push(toCounts(edge.service, instanceId, instance))
    }
    return { since: this.#since, edges, omitted: this.#omitted.size }
  }

  #edgeOf(service: string): ServiceEdge | undefined {
    if (this.#last?.service === service) return this.#last
    const edge = this.#services.get(service) ?? this.#addService(service)
    this.#last = edge
    return edge
  }

  #addService(service: string): ServiceEdge | undefined {
    if (this.#services.size >= maxServices) this.#sweep()
    if (this.#services.size >= maxServices) return this.#omit(service)
    const edge = new ServiceEdge(service)
    edge.usedAt = this.#tick
    this.#services.set(service, edge)
    return edge
  }

  #addInstance(edge: ServiceEdge, instanceId: string): Edge | undefined {
    const isFull = (): boolean => this.#instances >= maxInstances || edge.instances.size >= maxInstancesOfService
    if (isFull()) this.#sweep()
    if (isFull()) return this.#omit(`${edge.service}\0${instanceId}`)
    const instance = new Edge()
    edge.instances.set(instanceId, instance)
    this.#instances++
    return instance
  }

  #omit(name: string): undefined {
    if (this.#omitted.size < maxOmitted) this.#omitted.add(name)
  }

  /** Removes idle edges. At most once a tick, because it visits all of them. */
  #sweep(): void {
    if (this.#sweptAt === this.#tick) return
    this.#sweptAt = this.#tick
    const isIdle = ({ usedAt }: Edge): boolean => this.#tick - usedAt >= idleTicks
    for (const edge of this.#services.values()) {
      for (const [instanceId, instance] of edge.instances) {
        if (isIdle(instance) && edge.instances.delete(instanceId)) this.#instances--
      }
      if (isIdle(edge) && edge.instances.size === 0) this.#services.delete(edge.service)
    }
    this.#last = undefined
    this.#omitted.clear()
  }
}

function increment(counts: Map<string, number>, reason: string): void {
  const name = counts.has(reason) || counts.size < maxReasons ? reason : 'other'
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function toCounts(service: string, instanceId: string | undefined, edge: Edge): EdgeCounts {
  const { total, failed = [], retries, hedges, refused = [], latency, latencySumMs } = edge
  return {
    service,
    ...(instanceId !== undefined && { instanceId }),
    total,
    failed: Object.fromEntries(failed),
    retries,
    hedges,
    refused: Object.fromEntries(refused),
    latency: [...latency],
    latencySumMs,
  }
}

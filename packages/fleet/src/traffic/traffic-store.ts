import type { EdgeCounts, EdgesReport, ProcessSnapshot } from '@sd/admin'
import { BoundedMap } from '@sd/core'
import type { Traffic, TrafficPoint } from '../model.ts'
import { MINUTE_STEPS, STEP_MS, stepOf, type TrafficDelta, TrafficRing, TrafficSum } from './traffic-ring.ts'

/** Most edges and most instances whose past is kept; about 4 KB each for five minutes. */
const maxSeries = 10_000
/** Most pairs of a process and a called service; less than 1 KB each. */
const maxPairs = 20_000
const minuteMs = 60_000

/** What a history is about: a service, an instance as its callers see it, or the calls of one service to another. */
export type TrafficRef =
  | { readonly service: string; readonly instanceId?: string | undefined }
  | { readonly from: string; readonly to: string }

/** Two successive answers of a process, and what names it. */
export interface CountedEdges {
  /** Id of the process that counted. */
  readonly processId: string
  /** Name of the caller in the graph. */
  readonly from: string
  /** Returns the name of a called service in the graph. */
  readonly nameOf: (service: string) => string
  readonly previous: ProcessSnapshot | undefined
  readonly current: ProcessSnapshot
  /** When `previous` was read. */
  readonly previousAt: number
  /** When `current` was read. */
  readonly at: number
}

/** The traffic of the last minutes, by edge, by instance, and by process and called service. */
export class TrafficStore {
  readonly #steps: number
  readonly #edges: BoundedMap<string, TrafficRing>
  readonly #instances: BoundedMap<string, TrafficRing>
  readonly #pairs: BoundedMap<string, TrafficRing>
  /** Called services by caller, and callers by called service: only names that are keys of `edges`. */
  readonly #callers = new Map<string, Set<string>>()
  #observedFrom: number | undefined

  /** @param keepMs how long the past is kept */
  constructor(keepMs: number) {
    this.#steps = Math.ceil(keepMs / STEP_MS) + 1
    const limits = { maxEntries: maxSeries, idleMs: keepMs }
    this.#edges = new BoundedMap(limits)
    this.#instances = new BoundedMap(limits)
    this.#pairs = new BoundedMap({ maxEntries: maxPairs, idleMs: keepMs })
  }

  /** Adds what a process has counted since its last answer. */
  take({ processId, from, nameOf, previous, current, previousAt, at }: CountedEdges): void {
    this.#observedFrom ??= at
    const base = baseOf(previous, current, previousAt, at)
    if (base === undefined) return
    this.#observedFrom = Math.min(this.#observedFrom, base.fromAt)
    const before = new Map(base.edges?.edges.map((edge) => [keyOf(edge.service, edge.instanceId), edge]))
    for (const edge of current.edges.edges) {
      const delta = difference(before.get(keyOf(edge.service, edge.instanceId)), edge)
      if (delta.total <= 0 && delta.retries <= 0) continue
      const to = nameOf(edge.service)
      if (edge.instanceId !== undefined) {
        this.#ring(this.#instances, keyOf(to, edge.instanceId), this.#steps).add(delta, base.fromAt, at)
        continue
      }
      this.#ring(this.#edges, keyOf(from, to), this.#steps).add(delta, base.fromAt, at)
      this.#ring(this.#pairs, keyOf(processId, to), MINUTE_STEPS + 1).add(delta, base.fromAt, at)
      const callers = this.#callers.get(to) ?? new Set()
      if (this.#callers.size < maxSeries) this.#callers.set(to, callers.add(from))
    }
  }

  /** Callers of each service that has been called while the past is kept. Forgets those that have not. */
  callers(now: number): ReadonlyMap<string, ReadonlySet<string>> {
    const oldest = stepOf(now) - this.#steps
    for (const [to, callers] of this.#callers) {
      for (const from of callers) {
        const ring = this.#edges.get(keyOf(from, to))
        if (!ring || stepOf(ring.writtenAt) <= oldest) callers.delete(from)
      }
      if (callers.size === 0) this.#callers.delete(to)
    }
    return this.#callers
  }

  /** Calls of the last minute from one name to another. */
  edge(from: string, to: string, now: number): Traffic {
    return this.#traffic([this.#edges.get(keyOf(from, to))], now)
  }

  /** Calls of the last minute to a service. */
  service(to: string, now: number): Traffic {
    return this.#traffic(this.#edgesTo(to), now)
  }

  /** Attempts of the last minute at an instance. */
  instance(service: string, instanceId: string, now: number): Traffic {
    return this.#traffic([this.#instances.get(keyOf(service, instanceId))], now)
  }

  /** Calls of the last minute from one process to a service. */
  pair(processId: string, to: string, now: number): Traffic {
    return this.#traffic([this.#pairs.get(keyOf(processId, to))], now)
  }

  /** The past in steps of 5 seconds, oldest first, without the step in progress. Steps before the first poll are absent. */
  history(ref: TrafficRef, now: number): readonly TrafficPoint[] {
    if (this.#observedFrom === undefined) return []
    const rings =
      'from' in ref
        ? [this.#edges.get(keyOf(ref.from, ref.to))]
        : ref.instanceId === undefined
          ? this.#edgesTo(ref.service)
          : [this.#instances.get(keyOf(ref.service, ref.instanceId))]
    const last = stepOf(now) - 1
    const points: TrafficPoint[] = []
    for (let step = Math.max(last - this.#steps + 2, stepOf(this.#observedFrom) + 1); step <= last; step++) {
      const sum = new TrafficSum()
      for (const ring of rings) ring?.addStep(sum, step)
      points.push(sum.toPoint(step * STEP_MS))
    }
    return points
  }

  #edgesTo(to: string): readonly (TrafficRing | undefined)[] {
    return Array.from(this.#callers.get(to) ?? [], (from) => this.#edges.get(keyOf(from, to)))
  }

  #traffic(rings: readonly (TrafficRing | undefined)[], now: number): Traffic {
    const sum = new TrafficSum()
    for (const ring of rings) ring?.addTo(sum, now)
    const windowStart = (stepOf(now) - MINUTE_STEPS + 1) * STEP_MS
    const from = Math.max(windowStart, this.#observedFrom ?? now)
    return sum.toTraffic(Math.max(1_000, now - from))
  }

  #ring(map: BoundedMap<string, TrafficRing>, key: string, steps: number): TrafficRing {
    const known = map.get(key)
    if (known) return known
    const created = new TrafficRing(steps)
    map.set(key, created)
    return created
  }
}

/** Traffic of something that was not called. */
export const NO_TRAFFIC: Traffic = { total: 0, perSecond: 0, failedShare: 0, failed: {}, refused: {}, retries: 0 }

/**
 * What the counts of a snapshot are compared with, and since when they were counted. Those of another process, or of one that
 * restarted, began at 0. They are of use only if they began after the previous answer, or within the last minute.
 */
function baseOf(
  previous: ProcessSnapshot | undefined,
  { info, edges }: ProcessSnapshot,
  previousAt: number,
  at: number,
): { readonly edges: EdgesReport | undefined; readonly fromAt: number } | undefined {
  if (previous?.info.processId === info.processId && previous.edges.since === edges.since) {
    return { edges: previous.edges, fromAt: Math.min(previousAt, at) }
  }
  const ageMs = info.now - edges.since
  const maxAgeMs = Math.max(minuteMs, previous === undefined ? 0 : at - previousAt)
  return ageMs >= 0 && ageMs <= maxAgeMs ? { edges: undefined, fromAt: at - ageMs } : undefined
}

/** A counter that is smaller than before has begun again at 0. */
function difference(before: EdgeCounts | undefined, now: EdgeCounts): TrafficDelta {
  if (before === undefined || now.total < before.total) return now
  return {
    total: now.total - before.total,
    failed: differences(before.failed, now.failed),
    refused: differences(before.refused, now.refused),
    retries: Math.max(0, now.retries - before.retries),
    latency: now.latency.map((count, index) => Math.max(0, count - (before.latency[index] ?? 0))),
    latencySumMs: Math.max(0, now.latencySumMs - before.latencySumMs),
  }
}

function differences(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(now)
      .map(([name, count]) => [name, count - (Object.hasOwn(before, name) ? (before[name] as number) : 0)] as const)
      .filter(([, count]) => count > 0),
  )
}

/** No name contains a control character. */
function keyOf(first: string, second: string | undefined): string {
  return `${first}\n${second ?? ''}`
}

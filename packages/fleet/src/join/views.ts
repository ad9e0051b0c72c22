import { BoundedMap, type ClusterAnswer, type EndpointAnswer, formatOut } from '@sd/core'
import type { InstanceView } from '../model.ts'

/** How long the view of a caller is shown, in milliseconds. */
const keepViewMs = 60_000

/** How a caller sees the endpoints of a service. */
export interface CallerView {
  readonly processId: string
  /** Name of the calling process. */
  readonly caller: string
  readonly cluster: ClusterAnswer
  /** When it was asked, by the clock of the reader. */
  readonly at: number
  /** What its clock showed then. */
  readonly clock: number
}

/** What callers said of their endpoints, for a minute. */
export class ViewStore {
  /** By service, then by process. */
  readonly #views = new BoundedMap<string, Map<string, CallerView>>({ maxEntries: 2_000 })

  /** @param service name in the model, such as `orders` for `orders:admin` */
  set(service: string, view: CallerView): void {
    const known = this.#views.get(service) ?? new Map<string, CallerView>()
    if (known.size >= 256 && !known.has(view.processId)) return
    this.#views.set(service, known.set(view.processId, view))
  }

  /** The views of a service that are younger than a minute. */
  of(service: string, now: number): readonly CallerView[] {
    const known = this.#views.get(service)
    if (!known) return []
    for (const [processId, { at }] of known) if (now - at > keepViewMs) known.delete(processId)
    return [...known.values()]
  }

  /** When a process was last asked for a service; `undefined` if that is longer than a minute ago. */
  askedAt(service: string, processId: string): number | undefined {
    return this.#views.get(service)?.get(processId)?.at
  }

  /** Returns a function that finds the views of an instance. */
  byInstance(now: number): (service: string, instanceId: string) => readonly InstanceView[] {
    const indexes = new Map<string, ReadonlyMap<string, readonly InstanceView[]>>()
    return (service, instanceId) => {
      const known = indexes.get(service) ?? indexByInstance(this.of(service, now))
      indexes.set(service, known)
      return known.get(instanceId) ?? []
    }
  }
}

/** Turns the views of callers into those of instances. */
export function indexByInstance(views: readonly CallerView[]): ReadonlyMap<string, readonly InstanceView[]> {
  const index = new Map<string, InstanceView[]>()
  for (const { processId, caller, cluster, at, clock } of views) {
    for (const endpoint of cluster.endpoints) {
      const { instanceId, dropped, latencyMs, active } = endpoint
      const known = index.get(instanceId) ?? []
      index.set(instanceId, known)
      known.push({ caller, processId, gets: dropped === undefined, reason: reasonOf(endpoint, clock), latencyMs, active, at })
    }
  }
  return index
}

/** The rule that excludes an endpoint, with the details of that reason. */
function reasonOf({ dropped, outs }: EndpointAnswer, now: number): string | undefined {
  if (dropped === undefined) return undefined
  const out = outs.find(({ reason }) => reason === dropped)
  return out ? formatOut(out, now) : (ruleTexts[dropped] ?? dropped)
}

/** Rules that are not reasons to be out. */
const ruleTexts: Readonly<Record<string, string>> = {
  filter: 'excluded by the filter',
  priority: 'of a lower priority',
  subset: 'outside of the subset',
  weight: 'weight 0',
}

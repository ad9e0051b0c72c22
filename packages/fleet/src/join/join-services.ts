import { createEndpoint, type HealthStatus, MASK, masking, type ServiceInstance } from '@sd/core'
import type { FleetEdge, FleetInstance, FleetService, InstanceView } from '../model.ts'
import type { RegistryFacts } from '../registry/registry-view.ts'
import type { TrafficStore } from '../traffic/traffic-store.ts'
import { keyOfInstance } from './names.ts'

/** Most instances of a model. */
const maxInstances = 20_000
const maxLabels = 64
const longestLabel = 500

/** What services are joined of. */
export interface ServiceSources {
  readonly registry: RegistryFacts
  readonly edges: readonly FleetEdge[]
  readonly byInstance: ReadonlyMap<string, string>
  readonly views: (service: string, instanceId: string) => readonly InstanceView[]
  readonly health: HealthTimes
  readonly traffic: TrafficStore
  readonly now: number
}

/** Joins the registered services, and those that are called or needed although they are not registered. */
export function joinServices(sources: ServiceSources): { readonly services: readonly FleetService[]; readonly omitted: number } {
  const { registry, edges, traffic, now } = sources
  const callers = new Map<string, Set<string>>()
  for (const { from, to, kind } of edges) {
    const known = callers.get(to) ?? new Set()
    callers.set(to, kind === 'declared' ? known : known.add(from))
  }
  const names = new Set([...registry.services.keys(), ...callers.keys()])
  const seen = new Set<string>()
  let left = maxInstances
  let omitted = 0
  const services = [...names].sort().map((service): FleetService => {
    const listed = registry.services.get(service)?.instances ?? []
    const instances = listed.slice(0, left)
    left -= instances.length
    omitted += listed.length - instances.length
    return {
      service,
      isRegistered: listed.length > 0,
      instances: instances.map((instance) => {
        seen.add(keyOfInstance({ service, instanceId: instance.id }))
        return joinInstance(instance, sources)
      }),
      versions: [...new Set(listed.flatMap(({ version }) => version ?? []))].sort().slice(0, maxLabels),
      needs: [...new Set(listed.flatMap(({ needs }) => needs ?? []))].sort(),
      traffic: traffic.service(service, now),
      calledBy: [...(callers.get(service) ?? [])].sort(),
    }
  })
  sources.health.forgetOthers(seen)
  return { services, omitted }
}

function joinInstance(instance: ServiceInstance, { byInstance, views, health, traffic, now }: ServiceSources): FleetInstance {
  const { service, id } = instance
  return {
    ...fixedPart(instance),
    healthSince: health.since(instance, now),
    traffic: traffic.instance(service, id, now),
    processId: byInstance.get(keyOfInstance({ service, instanceId: id })),
    views: views(service, id),
  }
}

type FixedPart = Omit<FleetInstance, 'healthSince' | 'traffic' | 'processId' | 'views'>

/** The parts that only the registry decides. Snapshots keep the objects of instances that have not changed. */
const fixedParts = new WeakMap<ServiceInstance, FixedPart>()

function fixedPart(instance: ServiceInstance): FixedPart {
  const known = fixedParts.get(instance)
  if (known) return known
  const { id, health, version, locality, weight, tags, metadata, createdAt } = instance
  const created: FixedPart = {
    instanceId: id,
    origin: createEndpoint(instance).origin,
    health: health.status,
    healthMessage: health.message && masking.text(health.message),
    version,
    zone: locality?.zone,
    weight,
    tags: tags.slice(0, maxLabels),
    metadata: maskLabels(metadata),
    createdAt,
  }
  fixedParts.set(instance, created)
  return created
}

function maskLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(labels)
      .slice(0, maxLabels)
      .map(([key, value]) => [key, masking.isSecretName(key) ? MASK : masking.text(value.slice(0, longestLabel))]),
  )
}

/** Since when each instance has its health status. */
export class HealthTimes {
  readonly #times = new Map<string, { readonly status: HealthStatus; readonly since: number }>()

  /**
   * The time when the status was first seen. For an instance that is seen for the first time, it is when the registry says that the
   * status was determined: some registries say that at each heartbeat.
   */
  since({ service, id, health }: ServiceInstance, now: number): number {
    const key = keyOfInstance({ service, instanceId: id })
    const known = this.#times.get(key)
    if (known?.status === health.status) return known.since
    const since = known ? now : Math.min(now, health.checkedAt)
    this.#times.set(key, { status: health.status, since })
    return since
  }

  /** Forgets the instances whose keys are not among `kept`. */
  forgetOthers(kept: ReadonlySet<string>): void {
    for (const key of this.#times.keys()) if (!kept.has(key)) this.#times.delete(key)
  }
}

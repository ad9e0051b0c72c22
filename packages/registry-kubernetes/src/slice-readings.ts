import { decodeEntries, keepLatest } from '@sd/adapter-kit'
import {
  type AllServices,
  collectServices,
  createSnapshot,
  instanceAtPort,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'
import { chooseFamily, readForeignSlice, readQuery, type ServiceQuery } from './foreign-slices.ts'
import { decodeSlice, leaseNameOf, type Slice, serviceLabel, serviceLabelValue } from './slices.ts'
/** Turns slices into what the registry returns. Each slice is read once: a changed one is a new object. */
export interface SliceReadings {
  /** The instances of a service. */
  toSnapshot(service: string, all: readonly Slice[], previous?: ServiceSnapshot): ServiceSnapshot
  /** Names of all services. */
  toNames(all: readonly Slice[]): readonly string[]
  /** The instances of all services. A service that did not change keeps its snapshot. */
  toServices(all: readonly Slice[], previous?: AllServices): AllServices
}

/** Creates readings. @param name of the registry @param preferredPort name of the port of a slice with several */
export function createSliceReadings(name: string, preferredPort: string): SliceReadings {
  const managedReadings = new WeakMap<Slice, readonly ServiceInstance[]>()
  const foreignReadings = new WeakMap<Slice, Map<string, readonly ServiceInstance[]>>()

  function readManaged(slice: Slice): readonly ServiceInstance[] {
    const before = managedReadings.get(slice)
    if (before) return before
    const instances = decodeEntries(name, slice.metadata.labels?.[serviceLabel] ?? '', [slice], decodeSlice)
    managedReadings.set(slice, instances)
    return instances
  }

  /** @param service the name that was asked for, which may mean one port of several */
  function readForeign(slice: Slice, service: string): readonly ServiceInstance[] {
    const known = foreignReadings.get(slice) ?? new Map<string, readonly ServiceInstance[]>()
    foreignReadings.set(slice, known)
    const before = known.get(service)
    if (before) return before
    const instances = readForeignSlice(slice, { ...readQuery(service), registry: name, preferredPort })
    known.set(service, instances)
    return instances
  }

  function toSnapshot(service: string, all: readonly Slice[], previous?: ServiceSnapshot): ServiceSnapshot {
    const foreign = chooseFamily(all.filter((slice) => leaseNameOf(slice) === undefined))
    const managed = all.filter((slice) => leaseNameOf(slice) !== undefined)
    const instances = [
      ...foreign.flatMap((slice) => readForeign(slice, service)),
      // Another service may have the same label: a name with a port is looked for under its Service's too.
      ...managed.flatMap(readManaged).flatMap((instance) => asAsked(instance, readQuery(service)) ?? []),
    ]
    // While slices are rearranged an endpoint may be in two of them: the younger slice is in effect.
    return createSnapshot({ service, instances: keepLatest(name, service, instances), previous })
  }

  function toNames(all: readonly Slice[]): readonly string[] {
    const names = new Set<string>()
    for (const slice of all) {
      if (leaseNameOf(slice) !== undefined) for (const { service } of readManaged(slice)) names.add(service)
      else if ((slice.endpoints?.length ?? 0) > 0) names.add(slice.metadata.labels?.[serviceLabel] ?? '')
    }
    return [...names].sort()
  }

  /** What a change leaves as it was is read once, and keeps its snapshot. */
  function toServices(all: readonly Slice[], previous?: AllServices): AllServices {
    const byLabel = new Map<string, Slice[]>()
    for (const slice of all) {
      const label = slice.metadata.labels?.[serviceLabel] ?? ''
      const group = byLabel.get(label)
      if (group) group.push(slice)
      else byLabel.set(label, [slice])
    }
    const snapshots = toNames(all).map((service) => {
      const slices = [...labelsOf(service)].flatMap((label) => byLabel.get(label) ?? [])
      return toSnapshot(service, slices, previous?.get(service))
    })
    return collectServices(snapshots, previous)
  }

  return { toSnapshot, toNames, toServices }
}

/** An instance that this library registered, as it was asked for: by its service, or by its service and the name of a port. */
function asAsked(instance: ServiceInstance, { service, base, portName }: ServiceQuery): ServiceInstance | undefined {
  if (instance.service === service) return instance
  return instance.service === base && portName !== undefined ? instanceAtPort(instance, service, portName) : undefined
}

/** Labels of the slices that may have instances of a service. */
export function labelsOf(service: string): ReadonlySet<string> {
  const { base } = readQuery(service)
  return new Set([serviceLabelValue(service), ...(base === undefined ? [] : [base])])
}

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
/**
 * Converts slices to the results of the registry. A slice object is read once, because a changed slice is a new object.
 */
export interface SliceReadings {
  /** Returns the instances of a service. */
  toSnapshot(service: string, all: readonly Slice[], previous?: ServiceSnapshot): ServiceSnapshot
  /** Returns the names of all services. */
  toNames(all: readonly Slice[]): readonly string[]
  /** Returns the instances of all services. An unchanged service keeps its snapshot. */
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

  /** @param service the requested name, which may select one port of several */
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
      // Another service can have the same label. A name with a port is also looked up under its Service.
      ...managed.flatMap(readManaged).flatMap((instance) => asRequested(instance, readQuery(service)) ?? []),
    ]
    // While slices are rearranged, an endpoint can be in two of them: the younger slice applies.
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

  /** Reads only services that have changed; the others keep their snapshot. */
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

/**
 * Returns an instance that this library registered if it matches the query: by its service, or by its service and a
 * port name.
 */
function asRequested(instance: ServiceInstance, { service, base, portName }: ServiceQuery): ServiceInstance | undefined {
  if (instance.service === service) return instance
  return instance.service === base && portName !== undefined ? instanceAtPort(instance, service, portName) : undefined
}

/** Labels of the slices that can have instances of a service. */
export function labelsOf(service: string): ReadonlySet<string> {
  const { base } = readQuery(service)
  return new Set([serviceLabelValue(service), ...(base === undefined ? [] : [base])])
}

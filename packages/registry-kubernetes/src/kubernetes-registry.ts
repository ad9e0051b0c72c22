import { assembleRegistry, decodeEntries, keepLatest } from '@sd/adapter-kit'
import { createKubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import {
  type AllServices,
  collectServices,
  createSnapshot,
  instanceAtPort,
  keepIfSame,
  type Registry,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'
import { chooseFamily, readForeignSlice, readQuery, type ServiceQuery } from './foreign-slices.ts'
import { createLeaseClock, type Lease } from './lease-clock.ts'
import { type KubernetesRegistryOptions, resolveKubernetesRegistryOptions } from './options.ts'
import { createRegistrar } from './registrar.ts'
import { createSliceFeed } from './slice-feed.ts'
import {
  checkInstance,
  decodeSlice,
  isAlive,
  leaseNameOf,
  managedByLabel,
  manager,
  type Slice,
  serviceLabel,
  serviceLabelValue,
} from './slices.ts'
import { createSweeper } from './sweeper.ts'

const capabilities = {
  register: true,
  watch: 'push',
  listServices: true,
  watchAll: true,
  ttl: true,
  conditionalRemove: true,
} as const

/**
 * Finds instances in the EndpointSlices of a namespace, and registers instances that are no Pods by slices of its own.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNSUPPORTED` on Bun, which replaces the undici that the client library stands on
 */
export function createKubernetesRegistry(options: KubernetesRegistryOptions = {}): Registry {
  const settings = resolveKubernetesRegistryOptions(options)
  const { name, ttlMs, operationTimeoutMs, enabled, labelSelector, portName: preferredPort = 'http' } = settings
  const connection = createKubernetesConnection(settings)
  const { namespace } = connection
  const slices = {
    path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
    labelSelector: joinSelectors(serviceLabel, labelSelector),
  }
  const leases = {
    path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
    labelSelector: `${managedByLabel}=${manager}`,
  }
  const clock = createLeaseClock()
  const feed = createSliceFeed({ connection, slices, leases, clock, operationTimeoutMs })
  const registrar = createRegistrar({ connection, settings, slices: slices.path, leases })
  const sweeper = createSweeper({ connection, leases, operationTimeoutMs, intervalMs: Math.max(2_000, ttlMs) })
  // Reading a slice once is enough, because a changed one is a new object.
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

  /** The slices that count now, read once. */
  async function listAlive(selector: string, signal: AbortSignal): Promise<readonly Slice[]> {
    try {
      const listing = await listCollection<Slice>(connection, { ...slices, labelSelector: selector }, signal)
      if (listing.items.every((slice) => leaseNameOf(slice) === undefined)) return listing.items
      const held = await listCollection<Lease>(connection, leases, signal)
      clock.list({ ...held, tookMs: Math.max(held.tookMs, listing.tookMs) })
      const alive = clock.alive()
      return listing.items.filter((slice) => isAlive(slice, alive))
    } catch (error) {
      if (error instanceof SdError && error.retryable) clock.interrupt()
      throw error
    }
  }

  const { registry } = assembleRegistry({
    name,
    capabilities,
    ttlMs,
    operationTimeoutMs,
    enabled,
    driver: sweeper.beside(registrar.driver),
    check: checkInstance,
    list: async (service, { signal }) => {
      const selector = joinSelectors(`${serviceLabel} in (${[...labelsOf(service)].join(',')})`, labelSelector)
      return toSnapshot(service, await listAlive(selector, signal))
    },
    listServices: async ({ signal }) => toNames(await listAlive(slices.labelSelector, signal)),
    remove: (service, instanceId, { signal }) => registrar.remove(service, instanceId, signal),
    ping: async ({ signal }) => void (await listCollection(connection, slices, signal, 1)),
    follow: (service, { offer, previous, signal }) =>
      feed.follow({ labels: labelsOf(service), signal, onChange: (all) => offer(toSnapshot(service, all, previous())) }),
    followServices: ({ offer, previous, signal }) =>
      feed.follow({ signal, onChange: (all) => offer(keepIfSame(previous(), toNames(all))) }),
    followAll: ({ offer, previous, signal }) => feed.follow({ signal, onChange: (all) => offer(toServices(all, previous())) }),
    async close() {
      sweeper.close()
      await registrar.close(AbortSignal.timeout(1_000))
      connection.close()
    },
  })
  return registry
}

/** An instance that this library registered, as it was asked for: by its service, or by its service and the name of a port. */
function asAsked(instance: ServiceInstance, { service, base, portName }: ServiceQuery): ServiceInstance | undefined {
  if (instance.service === service) return instance
  return instance.service === base && portName !== undefined ? instanceAtPort(instance, service, portName) : undefined
}

/** Labels of the slices that may have instances of a service. */
function labelsOf(service: string): ReadonlySet<string> {
  const { base } = readQuery(service)
  return new Set([serviceLabelValue(service), ...(base === undefined ? [] : [base])])
}

function joinSelectors(...selectors: readonly string[]): string {
  return selectors.filter((selector) => selector !== '').join(',')
}

import {
  type ClusterSource,
  checkFunction,
  checkKnownKeys,
  checkName,
  closedError,
  guardListener,
  type OperationOptions,
  reportStates,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
} from '@sd/core'
import { createDiskSnapshots } from './disk-snapshots.ts'
import type { DiscoveryEvent } from './events.ts'
import type { InstanceFilter } from './filters.ts'
import { createInstanceFeed } from './instance-source.ts'
import { type ClusterContext, LiveCluster } from './live-cluster.ts'
import { type DiscoveryOptions, readOptions } from './options.ts'
import { type DiscoveryStatistics, reportCluster, summarize } from './statistics.ts'
import { drawByWeight } from './view.ts'

/** Options of a lookup. */
export interface DiscoverOptions extends OperationOptions {
  /** Instances to keep, beside the service's own filter. @default all */
  readonly filter?: InstanceFilter
}

/** The client-side view of all services: caches and follows them, and keeps serving through an outage. */
export interface Discovery extends ClusterSource, AsyncDisposable {
  /**
   * The instances of a service that pass the filters, whatever their health. From memory once the service is known.
   *
   * @throws SdError when nothing is known yet: what the source says, or `SD_TIMEOUT` after `readyTimeoutMs`
   */
  discover(service: string, options?: DiscoverOptions): Promise<ServiceSnapshot>
  /**
   * One instance that may get traffic, at random by weight. To balance many calls, attach a balancer to the cluster instead.
   *
   * @throws SdError `SD_NO_INSTANCE` if there is none, else as {@link Discovery.discover}
   */
  discoverOne(service: string, options?: DiscoverOptions): Promise<ServiceInstance>
  /** Follows a service: the current state first, then every change, the latest only for a slow consumer. Ends on abort and close. */
  watch(service: string, options?: OperationOptions): AsyncIterable<DiscoveryEvent>
  /**
   * Follows a service with a listener. Returns a function that ends it. A listener that throws or rejects is reported to `onError` (or, without
   * one, by a process warning) as `SD_LISTENER_FAILED`, and is called again with the next event.
   */
  subscribe(service: string, listener: (event: DiscoveryEvent) => void): () => void
  /** Asks the source now. @throws SdError when it can't answer; what is known stays */
  refresh(service: string, options?: OperationOptions): Promise<ServiceSnapshot>
  /** Counts since the start. */
  statistics(): DiscoveryStatistics
  /** Ends everything that it follows; the source stays open. Idempotent. */
  close(): Promise<void>
}

/**
 * Builds the client-side view of a source.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const resolved = readOptions(options)
  const { source, idleMs, maxServices } = resolved
  const context: ClusterContext = {
    options: resolved,
    feed: createInstanceFeed(source, resolved.ttlMs),
    disk: resolved.snapshots && createDiskSnapshots(resolved.snapshots),
  }
  const clusters = new Map<string, LiveCluster>()
  let closing: Promise<void> | undefined
  const sweeper = setInterval(forgetUnused, Math.max(1_000, idleMs / 2))
  sweeper.unref?.()
  const endReports = reportStates(() => Array.from(clusters.values(), reportCluster))

  function forgetUnused(): void {
    const before = performance.now() - idleMs
    for (const cluster of clusters.values()) if (cluster.isUnused && cluster.usedAt <= before) forget(cluster)
  }

  /** Forgets clusters that nobody uses: those without an instance, else the tenth that was not used for longest. */
  function makeRoom(): void {
    // A first lookup may still be waiting for the source.
    const recently = performance.now() - resolved.readyTimeoutMs
    const unused = [...clusters.values()].filter(
      ({ isUnused, snapshot, usedAt }) => isUnused && (snapshot !== undefined || usedAt < recently),
    )
    const empty = unused.filter(({ snapshot }) => !snapshot?.instances.length)
    const byAge = unused.sort((one, other) => one.usedAt - other.usedAt)
    for (const cluster of empty.length > 0 ? empty : byAge.slice(0, Math.ceil(maxServices / 10))) forget(cluster)
  }
  function forget(cluster: LiveCluster): void {
    clusters.delete(cluster.service)
    void cluster.close()
  }

  function clusterOf(service: string): LiveCluster {
    if (closing) throw closedError('discovery')
    const known = clusters.get(service)
    if (known) return known
    checkName('service', service)
    if (clusters.size >= maxServices) makeRoom()
    if (clusters.size >= maxServices)
      throw new SdError('SD_TOO_LARGE', `More than maxServices = ${maxServices} services are followed`)
    const made = new LiveCluster(service, context)
    clusters.set(service, made)
    return made
  }

  async function readyCluster(service: string, discoverOptions: DiscoverOptions): Promise<LiveCluster> {
    checkKnownKeys('', discoverOptions, ['filter', 'signal'])
    const { filter, signal } = discoverOptions
    if (filter !== undefined) checkFunction('filter', filter)
    const cluster = clusterOf(service)
    await cluster.ready({ signal })
    return cluster
  }

  return {
    cluster: clusterOf,
    async discover(service, discoverOptions = {}) {
      const { snapshot, filter: own } = await readyCluster(service, discoverOptions)
      const { filter } = discoverOptions
      const known = snapshot as ServiceSnapshot
      if (!own && !filter) return known
      const instances = known.instances.filter((instance) => (own?.(instance) ?? true) && (filter?.(instance) ?? true))
      return Object.freeze({ ...known, instances: Object.freeze(instances) })
    },
    async discoverOne(service, discoverOptions = {}) {
      const { view } = await readyCluster(service, discoverOptions)
      const endpoint = drawByWeight(view, discoverOptions.filter)
      if (!endpoint) throw new SdError('SD_NO_INSTANCE', `No instance of ${service} may get traffic`)
      return endpoint.instance
    },
    watch: (service, { signal } = {}) => ({
      [Symbol.asyncIterator]: () => clusterOf(service).events.iterate({ signal }),
    }),
    subscribe(service, listener) {
      checkFunction('listener', listener)
      const events = clusterOf(service).events.iterate({})
      void deliver(events, guardListener(`listener of ${service}`, listener, resolved.onListenerError))
      return () => void events.return?.()
    },
    async refresh(service, { signal } = {}) {
      const cluster = clusterOf(service)
      cluster.accept(await source.getInstances(service, { signal }))
      return cluster.snapshot as ServiceSnapshot
    },
    statistics: () => summarize(clusters),
    close() {
      closing ??= (async () => {
        clearInterval(sweeper)
        endReports()
        await Promise.all(Array.from(clusters.values(), (cluster) => cluster.close()))
        await context.feed.close()
        await context.disk?.flush()
      })()
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

async function deliver(events: AsyncIterable<DiscoveryEvent>, tell: (event: DiscoveryEvent) => void): Promise<void> {
  for await (const event of events) tell(event)
}

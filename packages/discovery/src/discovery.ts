import { randomUUID } from 'node:crypto'
import {
  type ClusterSource,
  checkFunction,
  checkKnownKeys,
  checkObject,
  closedError,
  describeNoInstance,
  guardListener,
  type OperationOptions,
  reportStates,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  settlesWithin,
} from '@sd/core'
import { type AllServicesEvent, watchAllServices } from './all-services.ts'
import { answerForClusters } from './answers.ts'
import { ClusterCache } from './cluster-cache.ts'
import { createDeclaredChecks } from './declared-checks.ts'
import { createDiskSnapshots } from './disk-snapshots.ts'
import type { DiscoveryEvent } from './events.ts'
import type { InstanceFilter } from './filters.ts'
import { createInstanceFeed } from './instance-source.ts'
import type { LiveCluster } from './live-cluster.ts'
import { resolveNamedPorts } from './named-ports.ts'
import { type DiscoveryOptions, type DiscoverySettings, resolveDiscoveryOptions, settingKeys } from './options.ts'
import { type DiscoveryStatistics, reportCluster, summarize } from './statistics.ts'
import { drawByWeight } from './view.ts'

/** How long `close` waits for the source, in milliseconds. */
const closeLimitMs = 2_000

/** Options of a lookup. */
export interface DiscoverOptions extends OperationOptions {
  /** Keeps the instances that also pass this filter, in addition to the service's own. @default all */
  readonly filter?: InstanceFilter
}

/** The client-side view of all services. Caches and follows them, and keeps serving during an outage of the source. */
export interface Discovery extends ClusterSource, AsyncDisposable {
  /**
   * The instances of a service that pass the filters, in any health. Served from memory once the service is known.
   *
   * @throws SdError if nothing is known yet: the error of the source, or `SD_TIMEOUT` after `readyTimeoutMs`
   */
  discover(service: string, options?: DiscoverOptions): Promise<ServiceSnapshot>
  /**
   * Draws one instance that may get traffic, at random by weight. To balance many calls, attach a balancer to the cluster
   * instead.
   *
   * @throws SdError `SD_NO_INSTANCE` if there is none; otherwise as {@link Discovery.discover}
   */
  discoverOne(service: string, options?: DiscoverOptions): Promise<ServiceInstance>
  /**
   * Follows a service: the current state first, then every change. A slow consumer gets only the latest. Ends on abort and
   * on close.
   */
  watch(service: string, options?: OperationOptions): AsyncIterable<DiscoveryEvent>
  /**
   * Follows all services of the source, for tools that show a whole system, such as a console: the current state first,
   * then every change. A slow consumer gets only the latest. The lists are those of the source: the filters, guards and
   * health checks of this object do not apply. Uses one stream if the source has one (`capabilities.watchAll`); otherwise
   * one for the names and one per service, at most `maxServices`.
   *
   * The iteration throws `SD_UNSUPPORTED` if the source can't list services.
   */
  watchAll(options?: OperationOptions): AsyncIterable<AllServicesEvent>
  /**
   * Follows a service with a listener. Returns a function that ends the subscription. If the listener throws or rejects,
   * the error goes to `onError` as `SD_LISTENER_FAILED` (without `onError`, a process warning is emitted), and the listener
   * is called again with the next event.
   */
  subscribe(service: string, listener: (event: DiscoveryEvent) => void): () => void
  /**
   * Replaces all settings, at once and for all services. Omitted settings revert to their defaults. If one setting is
   * invalid, none is applied. What does not change keeps its state: endpoints with their load, ejections, and monitors that
   * are still in the list.
   *
   * @throws SdError `SD_INVALID` that names the field; nothing has changed then
   */
  configure(settings: DiscoverySettings): void
  /** Requests the list from the source now. @throws SdError if the request fails; the last known list stays in effect */
  refresh(service: string, options?: OperationOptions): Promise<ServiceSnapshot>
  /** Counters since the start. */
  statistics(): DiscoveryStatistics
  /** Ends all watches and streams. The source stays open. Idempotent. */
  close(): Promise<void>
}

/**
 * Creates the client-side view of a source.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const ownId = randomUUID()
  const declared = createDeclaredChecks((error) => resolved.onError(error))
  let resolved = resolveDiscoveryOptions(options, ownId, declared)
  const { source, snapshots, ttlMs, coldStartMs, onError } = resolved
  const feed = resolveNamedPorts(createInstanceFeed(source, ttlMs))
  const disk = snapshots && createDiskSnapshots(snapshots)
  const clusters = new ClusterCache(resolved, feed, disk)
  /** Functions that end the streams of all services. */
  const streams = new Set<() => void>()
  let closing: Promise<void> | undefined
  const endReports = reportStates(() => Array.from(clusters.all, reportCluster))
  const endAnswers = answerForClusters(clusters)

  function clusterOf(service: string): LiveCluster {
    if (closing) throw closedError('discovery')
    return clusters.get(service)
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
      const cluster = await readyCluster(service, discoverOptions)
      const endpoint = drawByWeight(cluster.view, discoverOptions.filter)
      if (!endpoint) {
        const explanation = cluster.explain()
        const isEmpty = explanation.endpoints.length === 0
        const message = isEmpty ? describeNoInstance(explanation) : `No instance of ${service} may get traffic`
        throw new SdError('SD_NO_INSTANCE', message)
      }
      return endpoint.instance
    },
    watch: (service, { signal } = {}) => ({
      [Symbol.asyncIterator]: () => clusterOf(service).events.iterate({ signal }),
    }),
    watchAll: ({ signal } = {}) => ({
      [Symbol.asyncIterator]: () => {
        if (closing) throw closedError('discovery')
        return followAllServices(source, streams, { signal, maxServices: resolved.maxServices })
      },
    }),
    subscribe(service, listener) {
      checkFunction('listener', listener)
      const events = clusterOf(service).events.iterate({})
      void deliver(events, guardListener(`listener of ${service}`, listener, resolved.onListenerError))
      return () => void events.return?.()
    },
    async refresh(service, { signal } = {}) {
      const cluster = clusterOf(service)
      cluster.accept(await feed.list(service, { signal }))
      return cluster.snapshot as ServiceSnapshot
    },
    configure(settings) {
      if (closing) throw closedError('discovery')
      checkKnownKeys('', checkObject('settings', settings), settingKeys)
      resolved = resolveDiscoveryOptions(
        { ...settings, source, ttlMs, coldStartMs, onError, ...(snapshots && { snapshots }) },
        ownId,
        declared,
      )
      clusters.configure(resolved)
    },
    statistics: () => summarize(clusters.byService),
    close() {
      closing ??= (async () => {
        for (const end of [...streams]) end()
        endReports()
        endAnswers()
        const ended = clusters.close()
        // A source that ignores its signal does not prevent closing.
        await settlesWithin(
          ended.then(() => feed.close()),
          closeLimitMs,
        )
        await disk?.flush()
      })()
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

async function deliver(events: AsyncIterable<DiscoveryEvent>, notify: (event: DiscoveryEvent) => void): Promise<void> {
  for await (const event of events) notify(event)
}

/** Follows all services until the signal aborts or until the function in `streams` is called. */
function followAllServices(
  source: DiscoveryOptions['source'],
  streams: Set<() => void>,
  { signal, maxServices }: { readonly signal: AbortSignal | undefined; readonly maxServices: number },
): ReturnType<typeof watchAllServices> {
  const controller = new AbortController()
  const onEnd = (): void => {
    signal?.removeEventListener('abort', onEnd)
    streams.delete(onEnd)
    controller.abort()
  }
  streams.add(onEnd)
  signal?.addEventListener('abort', onEnd, { once: true })
  if (signal?.aborted) onEnd()
  return watchAllServices(source, { signal: controller.signal, maxServices, onEnd })
}

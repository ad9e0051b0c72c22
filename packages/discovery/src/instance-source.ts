import {
  createWatchHub,
  type Discoverer,
  type OperationOptions,
  type RegistryCapabilities,
  type ServiceSnapshot,
  sleep,
  spread,
  type Watched,
} from '@sd/core'

/** Where Discovery gets instances from: any registry, or anything that can list a service. */
export interface InstanceSource {
  /** The instances of a service, see `Discoverer.getInstances`. */
  getInstances(service: string, options?: OperationOptions): Promise<ServiceSnapshot>
  /** Follows a service, see `Discoverer.watch`. Absent, the service is listed again and again. */
  watch?: Discoverer['watch']
  /** Follows the names of services, see `Discoverer.watchServices`. Needed for `Discovery.watchAll` where there is no `watchAll`. */
  watchServices?: Discoverer['watchServices']
  /** Follows all services over one stream, see `Discoverer.watchAll`. It is used if `capabilities.watchAll` is true. */
  watchAll?: Discoverer['watchAll']
  /** What it can do, of which these matter here. */
  readonly capabilities?: Pick<RegistryCapabilities, 'watchAll' | 'healthChecks'>
  /** Whether it knows that an instance was removed on purpose, see `ReadOnlyRegistry.hasLeft`. Absent, it never knows. */
  hasLeft?(service: string, instanceId: string): boolean
}

/** A followable source that may have to be closed. */
export interface InstanceFeed {
  /** Follows a service. */
  watch(service: string, options: OperationOptions): AsyncIterable<Watched<ServiceSnapshot>>
  /** Lists a service now. */
  list(service: string, options: OperationOptions): Promise<ServiceSnapshot>
  /** For a name such as `orders:admin` that is followed: how many instances of `orders` have no port `admin`. */
  withoutPort(service: string): number
  /** Whether an instance was removed on purpose, as far as the source knows. */
  hasLeft(service: string, instanceId: string): boolean
  /** Ends what the feed itself started. */
  close(): Promise<void>
}

/**
 * Makes a source followable: by its own watch, or by listing every `ttlMs` ± 10 %. While listing fails, the last list stays, marked
 * stale.
 */
export function createInstanceFeed(source: InstanceSource, ttlMs: number): InstanceFeed {
  const list: InstanceFeed['list'] = (service, options) => source.getInstances(service, options)
  const withoutPort = (): number => 0
  const hasLeft = (service: string, instanceId: string): boolean => source.hasLeft?.(service, instanceId) === true
  if (source.watch) {
    return {
      watch: (service, options) => (source as Discoverer).watch(service, options),
      list,
      withoutPort,
      hasLeft,
      close: () => Promise.resolve(),
    }
  }
  const hub = createWatchHub<ServiceSnapshot>({
    name: 'discovery',
    backoff: { maxMs: Math.max(200, ttlMs) },
    async session(service, { offer, signal }) {
      for (;;) {
        offer(await source.getInstances(service, { signal }))
        await sleep(spread(ttlMs), signal)
      }
    },
  })
  return { watch: hub.watch, list, withoutPort, hasLeft, close: hub.close }
}

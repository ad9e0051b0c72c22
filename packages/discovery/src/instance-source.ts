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

/** Source of instances: any registry, or any object that can list a service. */
export interface InstanceSource {
  /** Lists the instances of a service, see `Discoverer.getInstances`. */
  getInstances(service: string, options?: OperationOptions): Promise<ServiceSnapshot>
  /** Follows a service, see `Discoverer.watch`. Without it, Discovery polls `getInstances`. */
  watch?: Discoverer['watch']
  /** Follows the names of services, see `Discoverer.watchServices`. `Discovery.watchAll` needs it if there is no `watchAll`. */
  watchServices?: Discoverer['watchServices']
  /** Follows all services over one stream, see `Discoverer.watchAll`. Used if `capabilities.watchAll` is true. */
  watchAll?: Discoverer['watchAll']
  /** The capabilities of the source that Discovery uses. */
  readonly capabilities?: Pick<RegistryCapabilities, 'watchAll' | 'healthChecks'>
  /**
   * Whether an instance was removed on purpose, see `ReadOnlyRegistry.hasLeft`. Without it, Discovery assumes that it was
   * not.
   */
  hasLeft?(service: string, instanceId: string): boolean
}

/** A source that can always be followed, and that may have to be closed. */
export interface InstanceFeed {
  /** Follows a service. */
  watch(service: string, options: OperationOptions): AsyncIterable<Watched<ServiceSnapshot>>
  /** Lists a service now. */
  list(service: string, options: OperationOptions): Promise<ServiceSnapshot>
  /** For a followed name such as `orders:admin`: number of instances of `orders` without a port named `admin`. */
  withoutPort(service: string): number
  /** Whether the source knows that an instance was removed on purpose. */
  hasLeft(service: string, instanceId: string): boolean
  /** Ends what the feed itself started. The source stays open. */
  close(): Promise<void>
}

/**
 * Makes a source followable: by its own `watch`, or by polling every `ttlMs` ± 10 %. While polling fails, the last list
 * stays in effect, marked stale.
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

import { assembleRegistry } from '@sd/adapter-kit'
import { createKubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import { keepIfSame, type Registry, SdError } from '@sd/core'
import { createLeaseClock, type Lease } from './lease-clock.ts'
import { type KubernetesRegistryOptions, resolveKubernetesRegistryOptions } from './options.ts'
import { createRegistrar } from './registrar.ts'
import { createSliceFeed } from './slice-feed.ts'
import { createSliceReadings, labelsOf } from './slice-readings.ts'
import { checkInstance, isAlive, leaseNameOf, managedByLabel, manager, type Slice, serviceLabel } from './slices.ts'
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
 * Creates a registry that finds instances in the EndpointSlices of a namespace, and registers instances that are not
 * Pods with slices of its own.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNSUPPORTED` on Bun, which replaces the undici that the
 * client library uses
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
  const { toSnapshot, toNames, toServices } = createSliceReadings(name, preferredPort)

  /** Lists the slices that are alive. */
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

function joinSelectors(...selectors: readonly string[]): string {
  return selectors.filter((selector) => selector !== '').join(',')
}

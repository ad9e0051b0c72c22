import { observeOperation } from '@sd/adapter-kit'
import {
  type AllServices,
  abortError,
  type ConnectionState,
  checkName,
  checkServiceName,
  closedError,
  collectServices,
  createSnapshot,
  createWatchHub,
  invalidError,
  keepIfSame,
  type OperationOptions,
  publishTelemetry,
  type ReadOnlyRegistry,
  type ServiceSnapshot,
} from '@sd/core'
import { buildCatalog, type Catalog, parseCatalog, parseCompact } from './catalog.ts'
import { type CatalogSource, createFileSource, createFixedSource } from './catalog-file.ts'
import { resolveStaticRegistryOptions, type StaticOrigin, type StaticRegistryOptions } from './options.ts'

const capabilities = {
  register: false,
  watch: 'push',
  listServices: true,
  watchAll: true,
  ttl: false,
  conditionalRemove: false,
} as const

// A session fails only while the file is invalid. Retry soon, to notice that it was corrected.
const backoff = { baseMs: 50, maxMs: 500 }

/**
 * Creates a read-only registry of instances that are listed in a file, an environment variable or the program. While
 * the file is invalid or missing, the last valid list stays in effect: snapshots and watches are stale, `state` is
 * `disconnected`, and `ping` rejects with the position and the error.
 *
 * @throws SdError `SD_INVALID` for an invalid option; `SD_MALFORMED`, `SD_NOT_FOUND` or `SD_TOO_LARGE` if there is no
 * valid list at the start
 */
export function createStaticRegistry(options: StaticRegistryOptions): ReadOnlyRegistry {
  const { origin, refreshIntervalMs, name } = resolveStaticRegistryOptions(options)
  const source = openSource(origin, refreshIntervalMs)
  let closing: Promise<void> | undefined
  const stopPublishing = source.onChange(() => {
    publishTelemetry('sd:v1:backend:state', { backend: name, state: currentState(), error: source.error })
  })

  function currentState(): ConnectionState {
    if (closing) return 'closed'
    return source.error ? 'disconnected' : 'connected'
  }

  function checkOpen(signal?: AbortSignal): void {
    if (closing) throw closedError(name)
    if (signal?.aborted) throw abortError(signal, name)
  }

  const snapshots = createWatchHub<ServiceSnapshot>({
    name,
    backoff,
    session: (service, { offer, previous, signal }) =>
      followSource(source, () => offer(read(source, service, previous())), signal),
  })
  const serviceNames = createWatchHub<readonly string[]>({
    name,
    backoff,
    session: (_, { offer, previous, signal }) =>
      followSource(source, () => offer(keepIfSame(previous(), listServices(source.catalog))), signal),
  })
  const everything = createWatchHub<AllServices>({
    name,
    backoff,
    session: (_, { offer, previous, signal }) => followSource(source, () => offer(readAll(source, previous())), signal),
  })

  function observe<T>(operation: string, { signal }: OperationOptions, run: () => T | Promise<T>): Promise<T> {
    return observeOperation({ backend: name, operation }, () => {
      checkOpen(signal)
      return run()
    })
  }

  return {
    name,
    capabilities,
    get state() {
      return currentState()
    },
    getInstances: async (service, operation = {}) => {
      checkServiceName('service', service)
      return observe('getInstances', operation, () => read(source, service))
    },
    getInstance: async (service, instanceId, operation = {}) => {
      checkServiceName('service', service)
      checkName('instanceId', instanceId)
      return observe('getInstance', operation, () => source.catalog.get(service)?.find(({ id }) => id === instanceId))
    },
    listServices: async (operation = {}) => observe('listServices', operation, () => listServices(source.catalog)),
    // The list is complete: an instance that is not in it was removed.
    hasLeft: () => true,
    watch: (service, watchOptions) => snapshots.watch(checkServiceName('service', service), watchOptions),
    watchServices: (watchOptions) => serviceNames.watch('services', watchOptions),
    watchAll: (watchOptions) => everything.watch('all services', watchOptions),
    ping: async (operation = {}) =>
      observe('ping', operation, async () => {
        await source.refresh()
        if (source.error) throw source.error
      }),
    close() {
      if (!closing) {
        stopPublishing()
        source.close()
        closing = Promise.all([snapshots.close(), serviceNames.close(), everything.close()]).then(() => undefined)
        publishTelemetry('sd:v1:backend:state', { backend: name, state: 'closed' })
      }
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

/** Calls `read` now and after every change until the signal aborts. Rejects when the list is invalid or missing. */
function followSource(source: CatalogSource, read: () => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (): void => {
      if (source.error) {
        stop()
        reject(source.error)
      } else {
        read()
      }
    }
    const stop = source.onChange(step)
    signal.addEventListener(
      'abort',
      () => {
        stop()
        resolve()
      },
      { once: true },
    )
    step()
  })
}

function openSource(origin: StaticOrigin, refreshIntervalMs: number): CatalogSource {
  if (origin.kind === 'file') return createFileSource(origin.path, refreshIntervalMs)
  if (origin.kind === 'inline') return createFixedSource(buildCatalog(origin.instances, 'instances'))
  const { variable } = origin
  const text = process.env[variable]
  if (text === undefined) throw invalidError('env', variable, 'the name of an environment variable that is set')
  const isCompact = /^[^\s:{}]+=/.test(text.trim())
  return createFixedSource(isCompact ? parseCompact(text, variable) : parseCatalog(text, variable))
}

function read({ catalog, revision, error }: CatalogSource, service: string, previous?: ServiceSnapshot): ServiceSnapshot {
  const instances = catalog.get(service) ?? []
  return createSnapshot({ service, instances, revision: String(revision), stale: error !== undefined, previous })
}

function readAll(source: CatalogSource, previous?: AllServices): AllServices {
  const snapshots = [...source.catalog.keys()].map((service) => read(source, service, previous?.get(service)))
  return collectServices(snapshots, previous)
}

function listServices(catalog: Catalog): readonly string[] {
  return [...catalog].flatMap(([service, instances]) => (instances.length > 0 ? [service] : [])).sort()
}

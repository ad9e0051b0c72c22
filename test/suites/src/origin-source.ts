import { createServiceInstance, createSnapshot, type ReadOnlyRegistry, SdError, type ServiceSnapshot } from '@sd/core'

const origins: string[] = []

/** The service whose only instance is at an origin, such as `http://localhost:3000`. */
export function serviceAt(origin: string): string {
  if (!origins.includes(origin)) origins.push(origin)
  return `origin-${origins.indexOf(origin)}`
}

/** A source of the services of {@link serviceAt}. */
export function createOriginSource(): ReadOnlyRegistry {
  return createSource((service) => new URL(origins[Number(service.slice('origin-'.length))] as string))
}

/** A source in which every service has one instance, at the same address. */
export function createFixedSource(host: string, port: number): ReadOnlyRegistry {
  return createSource(() => new URL(`http://${host}:${port}`))
}

function createSource(find: (service: string) => URL): ReadOnlyRegistry {
  const read = (service: string): ServiceSnapshot => snapshotOf(service, find(service))
  const stop = new AbortController()
  return {
    name: 'origin',
    capabilities: { register: false, watch: 'push', listServices: false, ttl: false, conditionalRemove: false },
    state: 'connected',
    getInstances: async (service) => read(service),
    getInstance: async (service) => read(service).instances[0],
    listServices: async () => [],
    async *watch(service, { signal } = {}) {
      yield { value: read(service) }
      await aborted(signal, stop.signal)
    },
    async *watchServices({ signal } = {}) {
      yield { value: [] }
      await aborted(signal, stop.signal)
    },
    // biome-ignore lint/correctness/useYield: it yields nothing
    async *watchAll() {
      throw new SdError('SD_UNSUPPORTED', 'A source of origins has no list of services')
    },
    ping: async () => undefined,
    async close() {
      stop.abort()
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
    },
  }
}

function snapshotOf(service: string, { protocol, hostname, port }: URL): ServiceSnapshot {
  const isSecure = protocol === 'https:'
  const instance = createServiceInstance({
    service,
    id: 'only',
    address: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (isSecure ? 443 : 80),
    protocol: isSecure ? 'https' : 'http',
  })
  return createSnapshot({ service, instances: [instance] })
}

function aborted(...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) signal?.addEventListener('abort', () => resolve(), { once: true })
  })
}

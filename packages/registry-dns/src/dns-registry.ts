import { assembleReadOnlyRegistry } from '@sd/adapter-kit'
import {
  closedError,
  createSnapshot,
  publishTelemetry,
  type ReadOnlyRegistry,
  SdError,
  type ServiceSnapshot,
  sleep,
  withAnySignal,
  withTimeout,
} from '@sd/core'
import { commonDomain } from './dns-name.ts'
import { type DnsRegistryOptions, resolveDnsRegistryOptions } from './options.ts'
import { createServiceReader } from './read-service.ts'
import { createResolver } from './resolver.ts'

const capabilities = { register: false, watch: 'poll', listServices: false, ttl: false, conditionalRemove: false } as const

// A session that fails has already waited for every server. Start the next one soon, to notice a server that responds
// again.
const backoff = { baseMs: 250, maxMs: 4_000 }

/** Spreads refreshes of many watches, or many processes, that started together over this part of the TTL. */
const jitter = 0.1

/**
 * Creates a read-only registry that finds instances in DNS, by SRV records or by A and AAAA records. A watch queries
 * again when the smallest TTL of the records it used has passed.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDnsRegistry(options: DnsRegistryOptions): ReadOnlyRegistry {
  const settings = resolveDnsRegistryOptions(options)
  const { name, domain, template, minTtlMs, refreshIntervalMs, operationTimeoutMs } = settings
  const resolver = createResolver(settings)
  const readService = createServiceReader(settings, resolver)
  const closing = new AbortController()

  /** Runs queries that end with the caller's limit, with the registry, and with the operation itself. */
  async function limited<T>(signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withAnySignal([signal, closing.signal], run)
    } catch (error) {
      throw closing.signal.aborted ? closedError(name) : error
    }
  }

  async function read(
    service: string,
    signal: AbortSignal,
    previous?: ServiceSnapshot,
  ): Promise<{ readonly snapshot: ServiceSnapshot; readonly ttlMs: number }> {
    const { instances, ttlMs, failed } = await limited(signal, (all) => readService(service, all))
    const kept = (previous?.instances ?? []).filter(({ metadata }) => failed.has(metadata['target'] ?? ''))
    for (const [target, error] of failed) {
      const failure = new SdError('SD_UNAVAILABLE', `${name} returns ${service} without ${target}: ${error.message}`, {
        cause: error,
      })
      publishTelemetry('sd:v1:backend:operation', { backend: name, operation: 'resolve', service, durationMs: 0, error: failure })
    }
    const stale = failed.size > 0
    return { snapshot: createSnapshot({ service, instances: [...kept, ...instances], stale, previous }), ttlMs }
  }

  const { registry } = assembleReadOnlyRegistry({
    name,
    capabilities,
    operationTimeoutMs,
    backoff,
    list: async (service, { signal }) => (await read(service, signal)).snapshot,
    async follow(service, { offer, previous, signal }) {
      while (!signal.aborted) {
        const limits = { timeoutMs: operationTimeoutMs, what: `${name} ${service}`, signal }
        const { snapshot, ttlMs } = await withTimeout(limits, (limit) => read(service, limit, previous()))
        offer(snapshot)
        const delayMs = Math.min(Math.max(ttlMs, minTtlMs), refreshIntervalMs)
        await sleep(delayMs * (1 + jitter * Math.random()), signal, true)
      }
    },
    async ping({ signal }) {
      await limited(signal, (all) => resolver.ask({ name: commonDomain(template, domain), type: 'SOA' }, all))
    },
    close() {
      closing.abort(closedError(name))
    },
  })
  return registry
}

import { createP2cBalancer } from '@sd/balancer-p2c'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import {
  type ClientSettings,
  createServiceClient,
  createSettingsReader,
  resilient,
  type ServiceClient,
  type SettingsReader,
} from '@sd/client'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import type { Registry } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createHedgePolicy } from '@sd/hedge'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import type { AppOptions, ResolvedAppOptions } from './options.ts'

/** What an application calls with. */
export interface Calling {
  readonly discovery: Discovery
  readonly client: ServiceClient
  /**
   * Puts a settings document into effect; `undefined` puts back what the options say.
   *
   * @throws SdError `SD_INVALID` that names the field; nothing has changed then
   */
  follow(document: unknown): void
  /** Ends calls, then discovery. */
  close(): Promise<void>
}

/** What settings documents can use. */
const parts = {
  balancers: { p2c: createP2cBalancer },
  breaker: createCockatielBreaker,
  retry: createRetryPolicy,
  hedge: createHedgePolicy,
  concurrencyLimits: { adaptive: createAdaptiveLimit, bulkhead: createBulkhead },
  rateLimiter: createMemoryRateLimiter,
  outlierDetection: createOutlierDetection,
}

/** Makes discovery and a client with `resilient()`. @throws SdError `SD_INVALID` that names the option */
export function createCalling(options: AppOptions, { onError }: ResolvedAppOptions, registry: Registry): Calling {
  const { client: given = {}, tracing, logging } = options
  const { breaker, retry, hedge, concurrencyLimits } = parts
  const { services, transport, maxResponseBytes, closeTimeoutMs, ...settings } = given
  const base = {
    ...resilient({ breaker, retry, hedge, concurrencyLimit: concurrencyLimits.adaptive }),
    ...settings,
    balancer: settings.balancer ?? createP2cBalancer(),
    ...(services && { services }),
  } satisfies ClientSettings
  const discoveryOptions = { monitors: [createOutlierDetection()], ...options.discovery }
  const { snapshots: _, ttlMs: _ttlMs, coldStartMs: _coldStartMs, ...baseDiscovery } = discoveryOptions
  const discovery = createDiscovery({ ...discoveryOptions, source: registry, onError })
  const interceptors = {
    call: [...(tracing ? [tracing.call] : []), ...(logging ? [logging.interceptor] : [])],
    attempt: tracing ? [tracing.attempt] : [],
  }
  const client = createServiceClient({
    ...base,
    discovery,
    interceptors,
    ...(transport && { transport }),
    ...(maxResponseBytes !== undefined && { maxResponseBytes }),
    ...(closeTimeoutMs !== undefined && { closeTimeoutMs }),
  })
  let reader: SettingsReader | undefined

  return {
    discovery,
    client,
    follow(document) {
      if (document === undefined) {
        client.configure(base)
        discovery.configure(baseDiscovery)
        return
      }
      reader ??= createSettingsReader(parts)
      const read = reader.read(document)
      client.configure({ ...base, ...read.client, services: { ...base.services, ...read.client.services } })
      discovery.configure({ ...baseDiscovery, ...read.discovery })
    },
    async close() {
      await client.close()
      await discovery.close()
      await reader?.close()
    },
  }
}

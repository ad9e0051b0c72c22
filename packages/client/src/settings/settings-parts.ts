import {
  type Balancer,
  type CircuitBreaker,
  type ConcurrencyLimit,
  checkFunction,
  checkKnownKeys,
  checkObject,
  type EndpointMonitor,
  type HedgePolicy,
  type RateLimiter,
  type RetryPolicy,
} from '@sd/core'

/** Creates something from options that are plain data, and validates them. */
export type PartFactory<T> = (options: never) => T

/** Factories that a settings document may use, from the packages that you have installed. */
export interface SettingsParts {
  /** Balancers by the name that the document uses, such as `{ p2c: createP2cBalancer }`. @default none */
  readonly balancers?: Readonly<Record<string, PartFactory<Balancer>>>
  /** Such as `createOpossumBreaker`; for `breaker` and `instanceBreaker`. */
  readonly breaker?: PartFactory<CircuitBreaker>
  /** Such as `createRetryPolicy`. */
  readonly retry?: PartFactory<RetryPolicy>
  /** Such as `createHedgePolicy`. */
  readonly hedge?: PartFactory<HedgePolicy>
  /**
   * Limits by the name that the document uses, such as `{ adaptive: createAdaptiveLimit, bulkhead: createBulkhead }`.
   * @default none
   */
  readonly concurrencyLimits?: Readonly<Record<string, PartFactory<ConcurrencyLimit>>>
  /** Such as `createMemoryRateLimiter`. Limiters are closed by {@link SettingsReader.close}. */
  readonly rateLimiter?: PartFactory<RateLimiter>
  /** Such as `createOutlierDetection`. */
  readonly outlierDetection?: PartFactory<EndpointMonitor>
}

/** Validates the parts. @throws SdError `SD_INVALID` that names the part */
export function checkParts(parts: SettingsParts): void {
  const single = ['breaker', 'retry', 'hedge', 'rateLimiter', 'outlierDetection'] as const
  checkKnownKeys('', checkObject('parts', parts), [...single, 'balancers', 'concurrencyLimits'])
  for (const name of single) if (parts[name] !== undefined) checkFunction(name, parts[name])
  for (const family of ['balancers', 'concurrencyLimits'] as const) {
    for (const [name, part] of Object.entries(checkObject(family, parts[family] ?? {}))) {
      checkFunction(`${family}.${name}`, part as () => unknown)
    }
  }
}

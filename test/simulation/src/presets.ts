import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type ResilientParts, resilient, type ServiceSettings } from '@sd/client'
import { createAdaptiveLimit } from '@sd/concurrency-limit'
import type { Balancer } from '@sd/core'
import type { DiscoveryOptions } from '@sd/discovery'
import { createHedgePolicy } from '@sd/hedge'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createRetryPolicy } from '@sd/retry'

/** Configuration of a client. */
export interface Preset {
  /** Name in reports. */
  readonly name: string
  /** Whether failed attempts are retried. Only then a fault of one instance may have almost no effect. */
  readonly retries: boolean
  /** Settings of the client. */
  readonly settings: ServiceSettings
  /** Options of discovery. */
  readonly discovery: () => Omit<DiscoveryOptions, 'source'>
}

/** All parts of the preset, with opossum. */
const parts: ResilientParts = {
  breaker: createOpossumBreaker,
  retry: createRetryPolicy,
  hedge: createHedgePolicy,
  concurrencyLimit: createAdaptiveLimit,
}

function preset(name: string, settings: ServiceSettings, more: Partial<Preset> = {}): Preset {
  return { name, settings, retries: settings.retry !== undefined, discovery: () => ({}), ...more }
}

function without(...names: (keyof ResilientParts)[]): ResilientParts {
  return Object.fromEntries(Object.entries(parts).filter(([name]) => !names.includes(name as keyof ResilientParts)))
}

/** Shorter than the default, so that a run includes the end of an ejection. */
export const ejectionMs = 5_000

const outlierDetection: Partial<Preset> = {
  discovery: () => ({ monitors: [createOutlierDetection({ baseEjectionMs: ejectionMs })] }),
}

/** All configurations. */
export const presets: readonly Preset[] = [
  preset('defaults', {}),
  preset('defaults and outlier detection', {}, outlierDetection),
  preset('resilient', resilient(parts)),
  preset('resilient, cockatiel', resilient({ ...parts, breaker: createCockatielBreaker })),
  preset('resilient and outlier detection', resilient(parts), outlierDetection),
  preset('resilient without breaker', resilient(without('breaker'))),
  preset('resilient without retry', resilient(without('retry'))),
  preset('resilient without hedge', resilient(without('hedge'))),
  preset('resilient without limit', resilient(without('concurrencyLimit'))),
  preset('breaker only', resilient(without('retry', 'hedge', 'concurrencyLimit'))),
]

/** All balancers. */
export const balancers: Readonly<Record<string, () => Balancer>> = {
  'round-robin': () => createRoundRobinBalancer(),
  p2c: () => createP2cBalancer(),
  'least-active': () => createLeastActiveBalancer(),
  random: () => createRandomBalancer(),
  'weighted-round-robin': () => createWeightedRoundRobinBalancer(),
  'consistent-hash': () => createConsistentHashBalancer(),
}

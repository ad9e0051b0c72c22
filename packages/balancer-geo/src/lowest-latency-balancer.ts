import { type Balancer, checkKnownKeys, checkNumber, checkObject, checkOneOf, type Endpoint } from '@sd/core'
import { LatencyRanking } from './latency-ranking.ts'
import { resolveSpillOverOptions, type SpillOverOptions, spillOverKeys } from './spill-over.ts'
import { createSpillOverBalancer } from './spill-over-balancer.ts'

/** Options of {@link createLowestLatencyBalancer}. */
export interface LowestLatencyBalancerOptions extends SpillOverOptions {
  /** Unit of comparison. @default 'region' */
  readonly by?: 'region' | 'zone'
  /**
   * Relative gain in latency that another region needs to replace the preferred one, from 0 to 1; it must also be faster by
   * at least 1 ms. @default 0.2
   */
  readonly hysteresis?: number
  /** Share of requests that measure the other regions, from 0 to 1. @default 0.005 (too few to affect a p99) */
  readonly exploration?: number
}

/**
 * Prefers the region with the lowest latency, by the median of its endpoints, and spills over to the next fastest as Envoy
 * does between its priority levels.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLowestLatencyBalancer(options: LowestLatencyBalancerOptions): Balancer {
  checkKnownKeys('', checkObject('options', options), ['by', 'hysteresis', 'exploration', ...spillOverKeys])
  const by = checkOneOf('by', options.by ?? 'region', ['region', 'zone'])
  const spillOver = resolveSpillOverOptions(options)
  const ranking = {
    hysteresis: checkNumber('hysteresis', options.hysteresis ?? 0.2, { min: 0, max: 1 }),
    exploration: checkNumber('exploration', options.exploration ?? 0.005, { min: 0, max: 1 }),
    random: spillOver.random,
  }

  function nameOf({ instance: { locality } }: Endpoint): string {
    const region = locality?.region ?? ''
    return by === 'region' ? region : `${region}/${locality?.zone ?? ''}`
  }

  return createSpillOverBalancer('lowest-latency', spillOver, () => ({
    nameOf,
    prefer: (groups, previous) => new LatencyRanking(groups, previous instanceof LatencyRanking ? previous : undefined, ranking),
  }))
}

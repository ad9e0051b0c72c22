import { type Balancer, checkKnownKeys, checkNumber, checkObject, checkOneOf, type Endpoint } from '@sd/core'
import { LatencyRanking } from './latency-ranking.ts'
import { resolveSpillOverOptions, type SpillOverOptions, spillOverKeys } from './spill-over.ts'
import { createSpillOverBalancer } from './spill-over-balancer.ts'

/** Options of {@link createLowestLatencyBalancer}. */
export interface LowestLatencyBalancerOptions extends SpillOverOptions {
  /** What is compared. @default 'region' */
  readonly by?: 'region' | 'zone'
  /**
   * Share of its latency by which another region must be faster than the one in use to take its place, from 0 to 1, and at least by
   * 1 ms. @default 0.2
   */
  readonly hysteresis?: number
  /** Share of requests that go to another region to see how fast it is, from 0 to 1. @default 0.005 (less than a p99 sees) */
  readonly exploration?: number
}

/**
 * Prefers the region that has answered fastest, by the median of its endpoints' latencies, and spills over to the next fastest as Envoy
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

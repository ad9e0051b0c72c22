import { type Balancer, checkDuration, checkFunction, checkKnownKeys } from '@sd/core'
import { P2cPicker } from './p2c-picker.ts'

/** Options of {@link createP2cBalancer}. */
export interface P2cBalancerOptions {
  /**
   * An endpoint that was not picked for this long is picked when it is next drawn, regardless of its cost, in milliseconds:
   * it may have recovered. 0 disables this. @default 3_000 (Kratos)
   */
  readonly forcePickMs?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/**
 * Power of two choices: draws two endpoints by weight and picks the one with the lower cost, which is its latency times its
 * requests in flight. Costs O(1) per pick.
 *
 * @see Mitzenmacher: The Power of Two Choices in Randomized Load Balancing, 2001; Finagle's PeakEwma; Kratos' p2c
 * @throws SdError `SD_INVALID` that names the option
 */
export function createP2cBalancer(options: P2cBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['forcePickMs', 'random'])
  const { random } = options
  if (random !== undefined) checkFunction('random', random)
  const forcePickMs = checkDuration('forcePickMs', options.forcePickMs ?? 3_000)
  return {
    name: 'p2c',
    createPicker(view, previous) {
      return new P2cPicker(view, { random, forcePickMs, previous: previous instanceof P2cPicker ? previous : undefined })
    },
  }
}

import { type Balancer, checkFunction, checkKnownKeys, type EndpointView, type Picker } from '@sd/core'
import { EarliestDeadlinePicker } from './earliest-deadline-picker.ts'

/** Options of {@link createWeightedRoundRobinBalancer}. */
export interface WeightedRoundRobinBalancerOptions {
  /** Source of randomness in [0, 1) for the phase at which each endpoint starts. @default Math.random */
  readonly random?: () => number
}

/**
 * Picks in a smooth rotation in proportion to the weights: beside an endpoint of weight 1, one of weight 3 gets `a a b a`, not
 * `a a a b`, and never a burst. Costs O(log n) per pick.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createWeightedRoundRobinBalancer(options: WeightedRoundRobinBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['random'])
  const random = checkFunction('random', options.random ?? Math.random)
  return {
    name: 'weighted-round-robin',
    createPicker: (view: EndpointView, previous?: Picker) =>
      new EarliestDeadlinePicker(view, random, previous instanceof EarliestDeadlinePicker ? previous : undefined),
  }
}

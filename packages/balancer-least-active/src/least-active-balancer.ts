import { type Balancer, checkFunction, checkKnownKeys } from '@sd/core'
import { LeastActivePicker } from './least-active-picker.ts'

/** Options of {@link createLeastActiveBalancer}. */
export interface LeastActiveBalancerOptions {
  /** Source of randomness in [0, 1) for ties. @default Math.random */
  readonly random?: () => number
}

/**
 * Picks an endpoint with the fewest requests in flight; among several, one at random in proportion to the weights. Costs
 * O(log n) per pick.
 *
 * @see Dubbo's LeastActiveLoadBalance, which scans the list
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLeastActiveBalancer(options: LeastActiveBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['random'])
  const { random } = options
  if (random !== undefined) checkFunction('random', random)
  return {
    name: 'least-active',
    createPicker: (view) => new LeastActivePicker(view, random),
  }
}

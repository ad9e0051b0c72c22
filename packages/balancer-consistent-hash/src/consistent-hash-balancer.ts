import { type Balancer, type CallPickRequest, checkFunction, checkKnownKeys, checkNumber } from '@sd/core'
import { ConsistentHashPicker } from './consistent-hash-picker.ts'
import { createLoadBound } from './load-bound.ts'

/** Options of {@link createConsistentHashBalancer}. */
export interface ConsistentHashBalancerOptions {
  /**
   * Bounds the load: no endpoint gets a request while it has more than this multiple of its fair share of all requests in
   * flight; the next nearest endpoint does. From 1.01 to 100; 1.25 is a good choice. Without it, loads are not bounded.
   *
   * @see Mirrokni, Thorup, Zadimoghaddam: Consistent hashing with bounded loads, 2016
   */
  readonly loadFactor?: number
  /**
   * Returns the key of a request, for example from a header field: `({ headers }) => headers?.['x-user']`. Runs at each
   * pick: it must be fast and synchronous, and must not throw. @default the request's `hashKey`, which upgrades and calls
   * through the dispatcher do not have
   */
  readonly key?: (request: CallPickRequest) => string | undefined
  /** Source of randomness in [0, 1) for requests without a key. @default Math.random */
  readonly random?: () => number
}

/**
 * Sends requests with the same key to the same endpoint, and moves as few keys as possible when endpoints are added and
 * removed. Each endpoint has 150 virtual nodes; a pick costs O(log n). A changed weight moves only keys from or to that
 * endpoint. A request without a key goes to a random endpoint, by weight.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createConsistentHashBalancer(options: ConsistentHashBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['key', 'loadFactor', 'random'])
  const random = checkFunction('random', options.random ?? Math.random)
  const key = checkFunction('key', options.key ?? hashKeyOf)
  const { loadFactor } = options
  if (loadFactor !== undefined) checkNumber('loadFactor', loadFactor, { min: 1.01, max: 100 })
  return {
    name: 'consistent-hash',
    createPicker(view, previous) {
      const ring = previous instanceof ConsistentHashPicker ? previous.ring : undefined
      const bound = loadFactor === undefined ? undefined : createLoadBound(view, loadFactor)
      return new ConsistentHashPicker(view, { key, random, ring, bound })
    },
  }
}

function hashKeyOf({ hashKey }: CallPickRequest): string | undefined {
  return hashKey
}

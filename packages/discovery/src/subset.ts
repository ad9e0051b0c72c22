import { createHash } from 'node:crypto'
import type { Endpoint } from '@sd/core'

/** How many endpoints of a service one client uses, and which. */
export interface SubsetOptions {
  /** Most endpoints that are used at once, from 1. */
  readonly size: number
  /**
   * Who chooses, such as the name of the pod or host: the same id chooses the same endpoints after a restart; others must have another one.
   *
   * @default a random one for every Discovery
   */
  readonly clientId?: string
}

/** Chooses from the endpoints that may be used; `undefined` for all of them. */
export type SubsetChoice = (endpoints: readonly Endpoint[]) => ((endpoint: Endpoint) => boolean) | undefined

/**
 * Rendezvous hashing: each pair of client and endpoint has a random score that never changes, and a client uses the endpoints of the highest
 * scores. When one goes, only it is replaced; clients choose independently of each other.
 *
 * @see https://en.wikipedia.org/wiki/Rendezvous_hashing
 */
export function createSubset({ size, clientId }: Required<SubsetOptions>): SubsetChoice {
  const scores = new WeakMap<Endpoint, number>()

  function scoreOf(endpoint: Endpoint): number {
    const known = scores.get(endpoint)
    if (known !== undefined) return known
    const score = createHash('sha256').update(`${clientId}\n${endpoint.key}`).digest().readUIntBE(0, 6)
    scores.set(endpoint, score)
    return score
  }

  return (endpoints) => {
    if (endpoints.length <= size) return undefined
    const lowest = Float64Array.from(endpoints, scoreOf).sort()[endpoints.length - size] as number
    return (endpoint) => scoreOf(endpoint) >= lowest
  }
}

import { createHash } from 'node:crypto'
import type { Endpoint } from '@sd/core'

/** Number of endpoints of a service that one client uses, and how they are chosen. */
export interface SubsetOptions {
  /** Maximum number of endpoints used at once, from 1. */
  readonly size: number
  /**
   * Identifies the client, such as the name of the pod or host. The same id chooses the same endpoints after a restart.
   * Each client needs its own id.
   *
   * @default a random id per Discovery
   */
  readonly clientId?: string
}

/** Chooses from the usable endpoints; `undefined` means all of them. */
export type SubsetChoice = (endpoints: readonly Endpoint[]) => ((endpoint: Endpoint) => boolean) | undefined

/**
 * Rendezvous hashing: each pair of client and endpoint has a fixed pseudo-random score, and a client uses the endpoints
 * with the highest scores. If one endpoint disappears, only that one is replaced. Clients choose independently of each
 * other.
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

import { type Balancer, checkFunction, checkKnownKeys, type Endpoint, type Picker, type PickRequest } from '@sd/core'

/** Options of {@link createRoundRobinBalancer}. */
export interface RoundRobinBalancerOptions {
  /** Source of randomness in [0, 1) for the first index. @default Math.random */
  readonly random?: () => number
}

/**
 * Picks one endpoint after the other. It starts at a random one, so that many clients do not run in step, and continues at
 * the same position when the list changes. Weights are ignored, except that weight 0 gets no traffic.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRoundRobinBalancer(options: RoundRobinBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['random'])
  const random = checkFunction('random', options.random ?? Math.random)
  return {
    name: 'round-robin',
    createPicker({ endpoints, weights }, previous) {
      const kept = endpoints.filter((_, index) => (weights[index] as number) > 0)
      const start = previous instanceof RoundRobinPicker ? previous.positionAmong(kept) : undefined
      return new RoundRobinPicker(kept, start ?? Math.floor(random() * kept.length))
    },
  }
}

class RoundRobinPicker implements Picker {
  /** Endpoints of positive weight. */
  readonly #endpoints: readonly Endpoint[]
  #next: number

  constructor(endpoints: readonly Endpoint[], start: number) {
    this.#endpoints = endpoints
    this.#next = start
  }

  pick(request: PickRequest): Endpoint | undefined {
    const endpoint = this.#take()
    if (endpoint?.available && request.attempted === undefined) return endpoint
    return this.#search(endpoint, request.attempted ?? [])
  }

  /** Returns the next endpoint and advances. */
  #take(): Endpoint | undefined {
    const index = this.#next
    const endpoints = this.#endpoints
    this.#next = index + 1 < endpoints.length ? index + 1 : 0
    return endpoints[index]
  }

  /** Returns the first endpoint, from this one on, that can take the request. */
  #search(first: Endpoint | undefined, attempted: readonly Endpoint[]): Endpoint | undefined {
    let endpoint = first
    for (let step = 0; step < this.#endpoints.length; step++) {
      if (endpoint?.available && !attempted.includes(endpoint)) return endpoint
      endpoint = this.#take()
    }
    return undefined
  }

  /** The position of the rotation in another list: that of its first upcoming endpoint that is in the list. */
  positionAmong(endpoints: readonly Endpoint[]): number | undefined {
    const { length } = this.#endpoints
    for (let step = 0; step < length; step++) {
      const coming = this.#endpoints[(this.#next + step) % length] as Endpoint
      const position = endpoints.indexOf(coming)
      if (position >= 0) return position
    }
    return undefined
  }
}

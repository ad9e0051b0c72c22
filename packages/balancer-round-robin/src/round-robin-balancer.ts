import {
  type Balancer,
  checkFunction,
  checkKnownKeys,
  type Endpoint,
  type EndpointView,
  isPickable,
  type Picker,
  type PickRequest,
} from '@sd/core'

/** Options of {@link createRoundRobinBalancer}. */
export interface RoundRobinBalancerOptions {
  /** Source of randomness in [0, 1) for the first index. @default Math.random */
  readonly random?: () => number
}

/**
 * Picks one endpoint after the other. It starts at a random one, so that many clients don't fall into step, and carries on where it
 * was when the list changes. Weights count only in that 0 gets nothing.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRoundRobinBalancer(options: RoundRobinBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['random'])
  const random = checkFunction('random', options.random ?? Math.random)
  return {
    name: 'round-robin',
    createPicker(view, previous) {
      const start = previous instanceof RoundRobinPicker ? previous.positionIn(view) : undefined
      return new RoundRobinPicker(view, start ?? Math.floor(random() * view.endpoints.length))
    },
  }
}

class RoundRobinPicker implements Picker {
  readonly #view: EndpointView
  #next: number

  constructor(view: EndpointView, start: number) {
    this.#view = view
    this.#next = start
  }

  pick(request: PickRequest): Endpoint | undefined {
    const { endpoints } = this.#view
    const { length } = endpoints
    for (let step = 0; step < length; step++) {
      const index = this.#next
      this.#next = index + 1 === length ? 0 : index + 1
      if (isPickable(this.#view, index, request)) return endpoints[index]
    }
    return undefined
  }

  /** Where the rotation stands in another view: at the first of its coming endpoints that is there too. */
  positionIn(view: EndpointView): number | undefined {
    const { endpoints } = this.#view
    for (let step = 0; step < endpoints.length; step++) {
      const coming = endpoints[(this.#next + step) % endpoints.length] as Endpoint
      const position = view.endpoints.indexOf(coming)
      if (position >= 0) return position
    }
    return undefined
  }
}

import {
  type Balancer,
  checkFunction,
  checkKnownKeys,
  createAliasTable,
  drawIndex,
  type EndpointView,
  isPickable,
  type Picker,
  scanPickable,
} from '@sd/core'

/** Options of {@link createRandomBalancer}. */
export interface RandomBalancerOptions {
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** How often a draw is repeated if the endpoint can't take the request, before the list is scanned. */
const redraws = 3

/**
 * Picks at random, in proportion to the weights. One draw per pick, for any number of endpoints, by Vose's alias method.
 *
 * @see https://www.keithschwarz.com/darts-dice-coins/
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRandomBalancer(options: RandomBalancerOptions = {}): Balancer {
  checkKnownKeys('', options, ['random'])
  const { random } = options
  if (random !== undefined) checkFunction('random', random)
  return {
    name: 'random',
    createPicker: (view) => createRandomPicker(view, random),
  }
}

function createRandomPicker(view: EndpointView, random: (() => number) | undefined): Picker {
  const { endpoints } = view
  const { length } = endpoints
  const table = createAliasTable(view.weights)

  function draw(): number {
    // A direct call of Math.random is inlined; through a variable each result would be allocated.
    const position = (random === undefined ? Math.random() : random()) * length
    return table ? drawIndex(table, position) : Math.floor(position)
  }

  return {
    pick(request) {
      for (let attempt = 0; attempt <= redraws; attempt++) {
        const index = draw()
        if (isPickable(view, index, request)) return endpoints[index]
      }
      return scanPickable(view, draw(), request)
    },
  }
}

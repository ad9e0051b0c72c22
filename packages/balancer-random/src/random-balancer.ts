import { type Balancer, checkFunction, checkKnownKeys, type EndpointView, isPickable, type Picker, scanPickable } from '@sd/core'

/** Options of {@link createRandomBalancer}. */
export interface RandomBalancerOptions {
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** How often a pick that hit an endpoint which can't take the request is drawn again, before it scans. */
const redraws = 3

/**
 * Picks at random, in proportion to the weights. One draw per pick, whatever the number of endpoints, by Vose's alias method.
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
    // Called by name, Math.random is inlined; through a variable each of its results would be allocated.
    const position = (random === undefined ? Math.random() : random()) * length
    const index = Math.floor(position)
    if (!table) return index
    return position - index < (table.threshold[index] as number) ? index : (table.alias[index] as number)
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

interface AliasTable {
  /** Share of column i that is i's own; the rest is `alias[i]`'s. */
  readonly threshold: Float64Array
  readonly alias: Uint32Array
}

/** Vose's alias table in O(n); `undefined` where every weight is the same, so that none is needed. */
function createAliasTable(weights: Float64Array): AliasTable | undefined {
  const { length } = weights
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total === 0 || weights.every((weight) => weight === weights[0])) return undefined
  const threshold = weights.map((weight) => (weight * length) / total)
  const alias = new Uint32Array(length)
  const small: number[] = []
  const large: number[] = []
  for (const [index, share] of threshold.entries()) (share < 1 ? small : large).push(index)
  while (small.length > 0 && large.length > 0) {
    const less = small.pop() as number
    const more = large.pop() as number
    alias[less] = more
    const rest = (threshold[more] as number) + (threshold[less] as number) - 1
    threshold[more] = rest
    if (rest < 1) small.push(more)
    else large.push(more)
  }
  // What is left differs from 1 by rounding only.
  for (const index of [...small, ...large]) threshold[index] = 1
  return { threshold, alias }
}

import {
  type Balancer,
  type CallPickRequest,
  checkFunction,
  checkInteger,
  checkNumber,
  checkObject,
  type Endpoint,
  type EndpointView,
} from '@sd/core'

/** Options that all balancers of this package have. */
export interface SpillOverOptions {
  /** Picks within the group of endpoints that was chosen. */
  readonly balancer: Balancer
  /**
   * How much more than its own traffic a group can take, from 1 to 100: it spills over when less than 1 / `overprovisioning` of its
   * endpoints are well. @default 1.4 (Envoy's)
   */
  readonly overprovisioning?: number
  /** An endpoint with this many requests in flight is busy, and the next group is asked instead. @default Infinity: none is busy */
  readonly maxActive?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** The options with their defaults. */
export interface ResolvedSpillOverOptions extends Required<Omit<SpillOverOptions, 'random'>> {
  readonly random: (() => number) | undefined
}

/** Names of the {@link SpillOverOptions}. */
export const spillOverKeys = ['balancer', 'overprovisioning', 'maxActive', 'random'] as const

/** Checks the options that all balancers have. @throws SdError `SD_INVALID` that names the option */
export function resolveSpillOverOptions(options: SpillOverOptions): ResolvedSpillOverOptions {
  const { balancer, overprovisioning = 1.4, maxActive = Number.POSITIVE_INFINITY, random } = options
  checkFunction('balancer.createPicker', checkObject('balancer', balancer)['createPicker'] as Balancer['createPicker'])
  checkNumber('overprovisioning', overprovisioning, { min: 1, max: 100 })
  if (maxActive !== Number.POSITIVE_INFINITY) checkInteger('maxActive', maxActive, { min: 1, max: Number.MAX_SAFE_INTEGER })
  if (random !== undefined) checkFunction('random', random)
  return { balancer, overprovisioning, maxActive, random }
}

/** Endpoints that are preferred alike, as a view of their own. */
export interface EndpointGroup {
  /** The same from view to view. */
  readonly name: string
  /** What of the view belongs to it. */
  readonly view: EndpointView
}

/** Knows which groups are preferred. */
export interface Preference {
  /** Indices of all groups, the most preferred first; valid until the next call. Runs at each pick: allocates nothing. */
  order(request: CallPickRequest): Uint32Array
}

/** Tells the endpoints of one view apart. */
export interface Grouping {
  /** Name of an endpoint's group. */
  readonly nameOf: (endpoint: Endpoint) => string
  /** @param previous that of the same balancer's picker before */
  readonly prefer: (groups: readonly EndpointGroup[], previous: Preference | undefined) => Preference
}

/** Splits a view into its groups. Those that have candidates but no endpoint are left out: there is nothing to pick. */
export function splitView(view: EndpointView, nameOf: Grouping['nameOf']): EndpointGroup[] {
  const { endpoints, weights, epoch, candidates = endpoints } = view
  const parts = new Map<string, { endpoints: Endpoint[]; weights: number[]; candidates: Endpoint[] }>()
  for (const [index, endpoint] of endpoints.entries()) {
    const name = nameOf(endpoint)
    let part = parts.get(name)
    if (!part) {
      part = { endpoints: [], weights: [], candidates: [] }
      parts.set(name, part)
    }
    part.endpoints.push(endpoint)
    part.weights.push(weights[index] as number)
  }
  for (const candidate of candidates) parts.get(nameOf(candidate))?.candidates.push(candidate)
  return [...parts].map(([name, part]) => ({
    name,
    view: { endpoints: part.endpoints, weights: Float64Array.from(part.weights), epoch, candidates: part.candidates },
  }))
}

/**
 * Which part of all traffic a group can take: min(1, share of its endpoints that are well × overprovisioning). Endpoints are counted,
 * not weighed, as Envoy does; those of weight 0 don't count.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 */
export function capacityOf({ endpoints, weights, candidates = endpoints }: EndpointView, overprovisioning: number): number {
  const well = weights.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0)
  const all = candidates.reduce((count, { instance }) => count + (instance.weight > 0 ? 1 : 0), 0)
  return well === 0 ? 0 : Math.min(1, (well / all) * overprovisioning)
}

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

/** Options of all balancers of this package. */
export interface SpillOverOptions {
  /** Picks within the chosen group of endpoints. */
  readonly balancer: Balancer
  /**
   * Overprovisioning factor, from 1 to 100: a group spills over when less than 1 / `overprovisioning` of its endpoints are
   * healthy.
   * @default 1.4 (Envoy's)
   */
  readonly overprovisioning?: number
  /** An endpoint with this many requests in flight is busy, and the next group is tried. @default Infinity: none is busy */
  readonly maxActive?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** The options with defaults applied. */
export interface ResolvedSpillOverOptions extends Required<Omit<SpillOverOptions, 'random'>> {
  readonly random: (() => number) | undefined
}

/** Names of the {@link SpillOverOptions}. */
export const spillOverKeys = ['balancer', 'overprovisioning', 'maxActive', 'random'] as const

/** Validates the common options. @throws SdError `SD_INVALID` that names the option */
export function resolveSpillOverOptions(options: SpillOverOptions): ResolvedSpillOverOptions {
  const { balancer, overprovisioning = 1.4, maxActive = Number.POSITIVE_INFINITY, random } = options
  checkFunction('balancer.createPicker', checkObject('balancer', balancer)['createPicker'] as Balancer['createPicker'])
  checkNumber('overprovisioning', overprovisioning, { min: 1, max: 100 })
  if (maxActive !== Number.POSITIVE_INFINITY) checkInteger('maxActive', maxActive, { min: 1, max: Number.MAX_SAFE_INTEGER })
  if (random !== undefined) checkFunction('random', random)
  return { balancer, overprovisioning, maxActive, random }
}

/** Endpoints with the same preference, as a view. */
export interface EndpointGroup {
  /** Name, the same in every view. */
  readonly name: string
  /** The part of the view that belongs to the group. */
  readonly view: EndpointView
}

/** Order of preference of the groups. */
export interface Preference {
  /** Indices of all groups, most preferred first; valid until the next call. Runs at each pick and must allocate nothing. */
  order(request: CallPickRequest): Uint32Array
}

/** Divides the endpoints of a view into groups. */
export interface Grouping {
  /** Name of an endpoint's group. */
  readonly nameOf: (endpoint: Endpoint) => string
  /** @param previous the preference of the same balancer's previous picker */
  readonly prefer: (groups: readonly EndpointGroup[], previous: Preference | undefined) => Preference
}

/** Splits a view into its groups. Groups with candidates but without endpoints are left out, because there is nothing to pick. */
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
 * Share of all traffic that a group can take: min(1, share of healthy endpoints × overprovisioning). The endpoints are not
 * weighted, as in Envoy; those of weight 0 are ignored.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 */
export function capacityOf({ endpoints, weights, candidates = endpoints }: EndpointView, overprovisioning: number): number {
  const healthy = weights.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0)
  const all = candidates.reduce((count, { instance }) => count + (instance.weight > 0 ? 1 : 0), 0)
  return healthy === 0 ? 0 : Math.min(1, (healthy / all) * overprovisioning)
}

import {
  type Balancer,
  type CallPickRequest,
  checkFunction,
  checkKnownKeys,
  checkNumber,
  checkObject,
  type Endpoint,
  type EndpointView,
  invalidError,
} from '@sd/core'
import { type Coordinates, checkCoordinates, coordinatesOf, type GeoLookup } from './coordinates.ts'
import { gatherSites, nearestSite, SiteRanking } from './sites.ts'
import { type Grouping, resolveSpillOverOptions, type SpillOverOptions, spillOverKeys } from './spill-over.ts'
import { createSpillOverBalancer } from './spill-over-balancer.ts'

/** Options of {@link createNearestBalancer}. */
export interface NearestBalancerOptions extends SpillOverOptions {
  /** Place of this process: coordinates, or a public IP address that `lookup` knows. */
  readonly local: Coordinates | string
  /**
   * Finds the places of addresses: of instances without coordinates in their metadata, of clients, and of `local`.
   *
   * @default none
   */
  readonly lookup?: GeoLookup
  /**
   * Returns the IP address of the client on whose behalf a request is made, for example `forwardedAddress()`. The request
   * goes to the instances nearest to it; if its place is unknown, to those nearest to `local`. It must be fast and
   * synchronous, and must not throw. Requires `lookup`. @default all requests go to the instances nearest to `local`
   */
  readonly client?: (request: CallPickRequest) => string | undefined
  /**
   * Instances within this distance are at one site and share its traffic; in kilometres, from 1 to 20,000.
   * @default 100 (1 ms round trip in optical fibre)
   */
  readonly toleranceKm?: number
}

/** Name of the group of endpoints whose location is unknown. */
const nowhere = 'nowhere'

/**
 * Prefers the nearest site, and spills over to the next nearest as Envoy does between its priority levels. The place of an
 * instance is in its metadata, `geo.latitude` and `geo.longitude` in degrees, or is found by its address.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
 * @throws SdError `SD_INVALID` that names the option
 */
export function createNearestBalancer(options: NearestBalancerOptions): Balancer {
  checkKnownKeys('', checkObject('options', options), ['local', 'lookup', 'client', 'toleranceKm', ...spillOverKeys])
  const { lookup, client } = options
  if (lookup !== undefined) {
    checkFunction('lookup.lookup', checkObject('lookup', lookup)['lookup'] as GeoLookup['lookup'])
  }
  if (client !== undefined) {
    checkFunction('client', client)
    if (!lookup) throw invalidError('lookup', lookup, 'a lookup, because the option client requires one')
  }
  const local = resolveLocal(options.local, lookup)
  const toleranceKm = checkNumber('toleranceKm', options.toleranceKm ?? 100, { min: 1, max: 20_000 })

  function locate(request: CallPickRequest): Coordinates {
    const address = client?.(request)
    return (address === undefined ? undefined : lookup?.lookup(address)) ?? local
  }

  function group({ endpoints, candidates = endpoints }: EndpointView): Grouping {
    const places = new Map<Endpoint, Coordinates>()
    for (const endpoint of candidates) {
      const place = coordinatesOf(endpoint.instance, lookup)
      if (place) places.set(endpoint, place)
    }
    const sites = gatherSites(places.values(), toleranceKm)
    return {
      nameOf(endpoint) {
        const place = places.get(endpoint)
        return place ? nearestSite(sites, place).name : nowhere
      },
      prefer(groups) {
        const ranking = new SiteRanking(groups.map(({ name }) => sites.find((site) => site.name === name)))
        if (client) return { order: (request) => ranking.rank(locate(request)) }
        const order = ranking.rank(local)
        return { order: () => order }
      },
    }
  }

  return createSpillOverBalancer('nearest', resolveSpillOverOptions(options), group)
}

function resolveLocal(local: Coordinates | string, lookup: GeoLookup | undefined): Coordinates {
  if (typeof local !== 'string') return checkCoordinates('local', local)
  const place = lookup?.lookup(local)
  if (place) return place
  throw invalidError('local', local, 'coordinates, or an address that lookup knows')
}

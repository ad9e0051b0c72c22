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
  /** Where this process is: coordinates, or a public IP address that `lookup` knows. */
  readonly local: Coordinates | string
  /** Knows where addresses are: those of instances without coordinates in their metadata, of clients, and `local`. @default none */
  readonly lookup?: GeoLookup
  /**
   * The IP address of the client on whose behalf a request is made, such as `forwardedAddress()` tells: the request goes to the
   * instances that are nearest to it; if nobody knows where that is, to those nearest to `local`. Quick, synchronous, must not
   * throw. Needs `lookup`. @default all requests go to those nearest to `local`
   */
  readonly client?: (request: CallPickRequest) => string | undefined
  /**
   * Instances that are no further apart than this are at one site, and share its traffic; in kilometres, from 1 to 20,000.
   * @default 100 (1 ms there and back in optical fibre)
   */
  readonly toleranceKm?: number
}

/** Name of the group of those that are nobody knows where. */
const nowhere = 'nowhere'

/**
 * Prefers the nearest site, and spills over to the next nearest as Envoy does between its priority levels. Instances tell where
 * they are in their metadata, `geo.latitude` and `geo.longitude` in degrees, or are looked up by their address.
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
    if (!lookup) throw invalidError('lookup', lookup, 'a lookup, because there is client')
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

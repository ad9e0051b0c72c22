import { checkKnownKeys, checkName } from '@sd/core'
import { type HttpCacheOptions, readTargets } from '@sd/http-cache'

/** Parts of {@link createCacheFilter}: the options of a cache. All are optional. */
export type CacheFilterParts = Omit<HttpCacheOptions, 'type'>

/** Options of the filter on a route. */
export interface CacheRouteOptions {
  /**
   * Routes with the same zone share stored responses and their invalidation. Use it for routes of which one changes what
   * another one shows, and never for routes whose responses differ.
   *
   * @default the name of the route
   */
  readonly zone?: string
  /** Targeted fields (RFC 9213) of responses that apply to the gateway, such as `cdn-cache-control`. @default those of the filter */
  readonly targets?: readonly string[]
}

/** Options, checked. */
export interface ResolvedCacheRoute {
  readonly zone: string
  readonly targets: readonly string[] | undefined
}

/** Checks options of a route. @throws SdError `SD_INVALID` that names the field */
export function readRouteOptions(options: Readonly<Record<string, unknown>>, route: string): ResolvedCacheRoute {
  checkKnownKeys('', options, ['zone', 'targets'])
  const { zone = route, targets } = options
  return { zone: checkName('zone', zone), targets: targets === undefined ? undefined : readTargets('targets', targets) }
}

import { checkKnownKeys, checkName } from '@sd/core'
import type { HttpCacheOptions } from '@sd/http-cache'

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
}

/** Checks options of a route. @throws SdError `SD_INVALID` that names the field */
export function readRouteOptions(options: Readonly<Record<string, unknown>>, route: string): Required<CacheRouteOptions> {
  checkKnownKeys('', options, ['zone'])
  return { zone: checkName('zone', options['zone'] ?? route) }
}

import type { GatewayExchange, GatewayFilter, GatewayResponse } from '../filters/filter.ts'
import type { FilterSet } from '../filters/filter-set.ts'
import type { RouteMirror } from '../mirror/route-mirror.ts'
import type { StreamLimits } from '../streams/stream-limits.ts'
import type { DirectResponse, RedirectSpec, RouteSpec } from '../table/table.ts'
import type { CompiledTarget } from './compiled-target.ts'
import type { Router } from './router.ts'

/** A table, prepared for requests. It never changes: `Gateway.configure` replaces it. */
export interface CompiledTable {
  /** Increases with every table of a gateway. */
  readonly version: number
  readonly routes: readonly CompiledRoute[]
  readonly router: Router<CompiledRoute>
  /** Routes of protocols that are not on HTTP, by protocol. */
  readonly streams: ReadonlyMap<string, Router<CompiledRoute>>
}

/** A route, prepared for requests. */
export interface CompiledRoute {
  readonly spec: RouteSpec
  /** Its own rules and limits, then those of {@link CompiledRoute.userFilters}. */
  readonly filters: readonly GatewayFilter[]
  /** The filters of the table, in their order. */
  readonly userFilters: FilterSet
  readonly action: RouteAction
  /** Limits of a route for connections or sessions. */
  readonly streams?: StreamLimits | undefined
  readonly mirror?: RouteMirror | undefined
  /** Changes the fields of every response, after all filters. */
  readonly changeResponse?: ((response: GatewayResponse) => void) | undefined
  /** The path as it is sent on. @param path path and query of the request */
  rewritePath(path: string): string
}

/** What happens to the requests of a route. */
export type RouteAction =
  | {
      readonly kind: 'forward'
      readonly targets: readonly CompiledTarget[]
      pick(exchange: GatewayExchange): CompiledTarget
      pickStream(): CompiledTarget
    }
  | { readonly kind: 'redirect'; readonly redirect: RedirectSpec; toPath(path: string): string }
  | { readonly kind: 'respond'; readonly response: DirectResponse }

import { randomBytes } from 'node:crypto'
import {
  type ClusterSource,
  checkClusterSource,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  type RateLimiter,
} from '@sd/core'
import { createAffinityKeys } from './affinity/affinity-keys.ts'
import type { GatewayClient } from './exchange/gateway-client.ts'
import type { FilterFactory } from './filters/filter.ts'
import { type DrainableGateway, GatewayRuntime, type ListenerAddress } from './gateway-runtime.ts'
import type { GatewayProtocol } from './protocol.ts'
import type { TableParts } from './routing/compile-route.ts'
import type { RouteExplanation, RouteProbe } from './routing/explain.ts'
import type { GatewayChange } from './table/compare-tables.ts'
import type { GatewayTable } from './table/table.ts'

/** Options of {@link createGateway}. */
export interface GatewayOptions {
  /** Calls the services. It owns policies, balancers and connections, and is not closed. */
  readonly client: GatewayClient
  /**
   * Name in metrics and in the `via` field, by which the gateway recognises a request that comes back to it: it gets 508. All
   * processes of one gateway share a name, and gateways that stand in a row have different ones.
   *
   * @default 'sd-gateway' in metrics; in `via` followed by a random number, so that a row of gateways without names works
   */
  readonly name?: string
  readonly table: GatewayTable
  /** Filters that routes may use, by name. @default none */
  readonly filters?: Readonly<Record<string, FilterFactory>>
  /** Rate limiters that routes may use, by name. They are not closed. @default none */
  readonly rateLimiters?: Readonly<Record<string, RateLimiter>>
  /**
   * Secrets of affinity cookies: random texts of at least 32 characters. The first one signs; the others are accepted, so that
   * a new one can be put before them. All processes of a gateway need the same. @default none: no route may have an affinity
   */
  readonly affinityKeys?: readonly string[]
  /**
   * Protocols beside HTTP, such as gRPC and WebSocket, for `match.protocol` of routes. Upgrades to others are ignored. Those that
   * are added to the array count from the next table on.
   *
   * @default none
   */
  readonly protocols?: readonly GatewayProtocol[]
  /**
   * The discovery of the client. With it, the gateway waits for the first list of each service before it listens, and
   * before it uses a table with new services. @default it does not wait: the first request to a service does
   */
  readonly discovery?: ClusterSource
  /** Most time that the gateway waits for the first lists, in milliseconds. @default 5_000 */
  readonly readyTimeoutMs?: number
  /** How long requests on a listener that a new table no longer has may continue, in milliseconds. @default 60_000 */
  readonly reloadDrainMs?: number
  /** How long requests in progress may continue after `close`, in milliseconds. @default 10_000 */
  readonly closeTimeoutMs?: number
}

/** A reverse proxy in front of services that discovery finds. */
export interface Gateway extends AsyncDisposable {
  /** Version of the table in effect: 1, and one more with every change. */
  readonly version: number
  /** Where it listens, in the order of the table. */
  readonly addresses: readonly ListenerAddress[]
  /** Whether it accepts requests: until a drain begins. */
  readonly isReady: boolean
  /**
   * Replaces the table, all of it or nothing. Requests in progress end with the table that they began with; kept
   * connections use the new one with their next request. Addresses that stay the same stay bound. Calls take effect one
   * after the other.
   *
   * @throws SdError `SD_INVALID` that names the field, `SD_UNAVAILABLE` if an address can't be bound or a certificate can't
   * be read, `SD_CLOSED` once a drain has begun; nothing has changed then
   */
  configure(table: GatewayTable): Promise<GatewayChange>
  /** What happens to a request, and why: which route it takes, and which endpoints it may go to. @throws SdError `SD_INVALID` */
  explain(probe: RouteProbe): RouteExplanation
  /** For the `server` of `createLifecycle` in `@sd/lifecycle`: drains the gateway before the process ends. */
  readonly drainable: DrainableGateway
  /**
   * Accepts no new connections, waits up to `closeTimeoutMs` for the requests in progress, then ends them. Idempotent.
   */
  close(): Promise<void>
}

const keys = [
  'client',
  'name',
  'table',
  'filters',
  'rateLimiters',
  'affinityKeys',
  'protocols',
  'discovery',
  'readyTimeoutMs',
  'reloadDrainMs',
  'closeTimeoutMs',
]

/**
 * Creates a gateway. It listens when the promise resolves.
 *
 * @throws SdError `SD_INVALID` that names the field; `SD_UNAVAILABLE` if an address can't be bound
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  checkKnownKeys('', options, keys)
  checkFunction('client.forward', options.client.forward)
  const { client, discovery } = options
  const runtime = new GatewayRuntime({
    client,
    parts: { ...readParts(options), fetch: client.fetch?.bind(client) },
    name: checkName('name', options.name ?? 'sd-gateway'),
    pseudonym: options.name ?? `sd-gateway-${randomBytes(4).toString('hex')}`,
    discovery: discovery && checkClusterSource('discovery', discovery),
    readyTimeoutMs: checkDuration('readyTimeoutMs', options.readyTimeoutMs ?? 5_000),
    reloadDrainMs: checkDuration('reloadDrainMs', options.reloadDrainMs ?? 60_000),
    closeTimeoutMs: checkDuration('closeTimeoutMs', options.closeTimeoutMs ?? 10_000),
  })
  try {
    await runtime.configure(options.table)
  } catch (error) {
    await runtime.close()
    throw error
  }

  const gateway: Gateway = {
    get version() {
      return runtime.version
    },
    get addresses() {
      return runtime.addresses
    },
    get isReady() {
      return runtime.isReady
    },
    configure: (table) => runtime.configure(table),
    explain: (probe) => runtime.explain(probe),
    drainable: runtime,
    close: () => runtime.close(),
    [Symbol.asyncDispose]: () => runtime.close(),
  }
  return gateway
}

/** What routes may refer to. */
function readParts({
  filters = {},
  rateLimiters = {},
  affinityKeys = [],
  protocols = [],
}: GatewayOptions): Omit<TableParts, 'fetch'> {
  for (const [name, factory] of Object.entries(checkObject('filters', filters)))
    checkFunction(`filters.${name}`, factory as FilterFactory)
  for (const [name, limiter] of Object.entries(checkObject('rateLimiters', rateLimiters))) {
    checkFunction(`rateLimiters.${name}.acquire`, (limiter as RateLimiter | undefined)?.acquire as RateLimiter['acquire'])
  }
  return {
    filters,
    rateLimiters,
    protocols,
    affinityKeys: createAffinityKeys('affinityKeys', affinityKeys),
  }
}

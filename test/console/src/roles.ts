/** The role of a process of the fleet, which it receives at its start. */
export interface Role {
  readonly service: 'orders' | 'stock' | 'shop' | 'reports'
  readonly id: string
  /** `host:port` of etcd. */
  readonly etcd: string
  /** Service that each request is passed on to. */
  readonly next?: 'stock'
  /** Service that is called all the time. */
  readonly calls?: 'orders'
  /** Whether it is a candidate for the lock {@link lockKey}. */
  readonly isCandidate?: boolean
}

/** An order of the test to a process. */
export type Order =
  /** Answer after this time; the usual one is {@link usualMs}. */
  { readonly kind: 'answer-after'; readonly ms: number } | { readonly kind: 'count' }

/** What a process has done since its start. */
export interface Counts {
  /** Requests that it has received. */
  readonly requests: number
  /** Calls that were answered with 200. */
  readonly good: number
  /** Calls that failed. */
  readonly failed: number
}

/** What a process tells the test. */
export type Message =
  | { readonly kind: 'ready' }
  /** Answers `count`. */
  | ({ readonly kind: 'counts' } & Counts)

/** How long a request to `orders` or `stock` takes, in milliseconds. */
export const usualMs: Readonly<Record<Role['service'], number>> = { orders: 20, stock: 5, shop: 0, reports: 0 }

/** Prefix of the configuration, and the entry that `orders` reads. */
export const configPrefix = '/shop/config'
export const configKey = 'orders.yaml'
/** The lock of the leader of `orders`. */
export const lockKey = 'reindex'
/** How long the lock outlives its holder: long enough to look at a paused holder, short enough for a test. */
export const lockTtlMs = 6_000
/**
 * How long a registration outlives its process: long enough to deregister that of a paused one, by a third of it a process notices that
 * its registration was removed.
 */
export const registrationTtlMs = 45_000

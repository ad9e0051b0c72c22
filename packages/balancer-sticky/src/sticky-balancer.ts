import { type Balancer, checkDuration, checkFunction, checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import { SessionTable } from './session-table.ts'
import { createStickyCounters, type StickyStatistics } from './statistics.ts'
import { hashKeyOf, type StickyKey } from './sticky-keys.ts'
import { StickyPicker } from './sticky-picker.ts'
import { TableSweeper } from './table-sweeper.ts'

/** Options of {@link createStickyBalancer}. */
export interface StickyBalancerOptions {
  /** Picks for new sessions, for those whose endpoint is not available, and for requests without a session. */
  readonly balancer: Balancer
  /** Names the session of a request: `cookieKey`, `headerKey`, `forwardedAddress` of `@sd/core`, or a function of your own. @default the request's `hashKey` */
  readonly key?: StickyKey
  /** A session that was not used for this long has ended, in milliseconds. @default 1_800_000 (30 minutes) */
  readonly timeoutMs?: number
  /** Most sessions of one service; when there are more, the one that was not used for longest ends. @default 10_000 */
  readonly maxSessions?: number
}

/** A balancer that keeps sessions. */
export interface StickyBalancer extends Balancer {
  /** What it did so far, over all services. */
  statistics(): StickyStatistics
}

/**
 * Sends the requests of one session to the endpoint that its first request went to. Wraps any balancer.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createStickyBalancer(options: StickyBalancerOptions): StickyBalancer {
  checkKnownKeys('', checkObject('options', options), ['balancer', 'key', 'timeoutMs', 'maxSessions'])
  const { balancer: inner } = options
  checkFunction('balancer.createPicker', checkObject('balancer', inner)['createPicker'] as Balancer['createPicker'])
  const key = checkFunction('key', options.key ?? hashKeyOf)
  const timeoutMs = checkDuration('timeoutMs', options.timeoutMs ?? 1_800_000, 1)
  const maxSessions = checkInteger('maxSessions', options.maxSessions ?? 10_000, { min: 1, max: 1_000_000 })
  const counters = createStickyCounters()
  const sweeper = new TableSweeper(timeoutMs)
  return {
    name: `sticky-${inner.name}`,
    createPicker(view, previous) {
      const before = previous instanceof StickyPicker && previous.counters === counters ? previous : undefined
      return new StickyPicker(view, {
        key,
        inner: inner.createPicker(view, before?.inner),
        sessions: before?.sessions ?? sweeper.add(new SessionTable({ timeoutMs, maxSessions, counters })),
        sweeper,
        counters,
      })
    },
    statistics: () => ({ ...counters }),
  }
}

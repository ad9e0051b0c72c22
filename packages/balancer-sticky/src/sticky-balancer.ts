import { type Balancer, checkDuration, checkFunction, checkInteger, checkKnownKeys, checkObject } from '@sd/core'
import { SessionTable } from './session-table.ts'
import type { StickyStatistics } from './statistics.ts'
import { hashKeyOf, type StickyKey } from './sticky-keys.ts'
import { StickyPicker } from './sticky-picker.ts'
import { StickyTelemetry } from './sticky-telemetry.ts'
import { TableSweeper } from './table-sweeper.ts'

/** Options of {@link createStickyBalancer}. */
export interface StickyBalancerOptions {
  /** Picks for new sessions, for sessions whose endpoint is unavailable, and for requests without a session. */
  readonly balancer: Balancer
  /**
   * Returns the session of a request: `cookieKey`, `headerKey`, `forwardedAddress` of `@sd/core`, or your own function.
   *
   * @default the request's `hashKey`
   */
  readonly key?: StickyKey
  /** Idle time after which a session ends, in milliseconds. @default 1_800_000 (30 minutes) */
  readonly timeoutMs?: number
  /** Maximum number of sessions per service; the least recently used one is dropped first. @default 10_000 */
  readonly maxSessions?: number
}

/** A balancer that keeps sessions. */
export interface StickyBalancer extends Balancer {
  /** Counters since the creation, over all services. */
  statistics(): StickyStatistics
}

/**
 * Sends the requests of a session to the endpoint of its first request. Wraps any balancer.
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
  const name = `sticky-${inner.name}`
  const telemetry = new StickyTelemetry(name)
  const sweeper = new TableSweeper(timeoutMs)
  return {
    name,
    createPicker(view, previous) {
      const before = previous instanceof StickyPicker && previous.telemetry === telemetry ? previous : undefined
      return new StickyPicker(view, {
        key,
        inner: inner.createPicker(view, before?.inner),
        sessions: before?.sessions ?? sweeper.add(new SessionTable({ timeoutMs, maxSessions, telemetry })),
        sweeper,
        telemetry,
      })
    },
    statistics: () => telemetry.statistics(),
  }
}

import { type SdError, spread, toSdError, withTimeout } from '@sd/core'
import type { MemberSettings, ResolvedFailoverSettings } from './options.ts'
import type { MemberState } from './status.ts'

/** Health of a member. */
export interface MemberHealth {
  /** Current state. */
  readonly state: MemberState
  /** Start of the state, by `performance.now()`. */
  readonly changedAt: number
  /** Start of the state, in epoch milliseconds. */
  readonly since: number
  /** Whether it was ever healthy. */
  readonly wasHealthy: boolean
  /** Why it is unreachable. */
  readonly error?: SdError
}

/** A member with its settings and its health. */
export interface Member {
  /** Its settings; replaced by `reconfigure`. */
  settings: MemberSettings
  /** Current state. */
  readonly health: MemberHealth
  /** Pings it now, or joins the ping in progress. Never rejects. */
  probe(): Promise<void>
  /** Stops the pings. The registry itself stays open. */
  stop(): void
}

/** Options of {@link createMember}. */
export interface MemberOptions {
  /** Settings of the member. */
  readonly settings: MemberSettings
  /** Returns the current durations. */
  readonly timing: () => ResolvedFailoverSettings
  /** Called after every ping. */
  readonly onProbe: () => void
}

/** Creates a member. It pings the registry at once and then at intervals. */
export function createMember({ settings, timing, onProbe }: MemberOptions): Member {
  const stopped = new AbortController()
  let health: MemberHealth = { state: 'unknown', changedAt: performance.now(), since: Date.now(), wasHealthy: false }
  let probing: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function record(error?: SdError): void {
    if (stopped.signal.aborted) return
    const state = error ? 'unreachable' : 'healthy'
    const changed = health.state !== state
    health = {
      state,
      changedAt: changed ? performance.now() : health.changedAt,
      since: changed ? Date.now() : health.since,
      wasHealthy: health.wasHealthy || state === 'healthy',
      ...(error && { error }),
    }
    onProbe()
  }

  /** Reads wait for the first ping, so it must not take longer than `failAfterMs`. */
  function limitMs(): number {
    const { operationTimeoutMs, failAfterMs } = timing()
    return health.wasHealthy || failAfterMs === 0 ? operationTimeoutMs : Math.min(operationTimeoutMs, failAfterMs)
  }

  /** Shorter than the interval if a threshold is reached before it, so that short hysteresis works too. */
  function delayMs(): number {
    const { probeIntervalMs, failAfterMs, returnAfterMs } = timing()
    const intervalMs = spread(probeIntervalMs)
    const dueMs = health.changedAt + (health.state === 'unreachable' ? failAfterMs : returnAfterMs) - performance.now()
    return dueMs > 0 ? Math.min(intervalMs, Math.max(dueMs, 10)) : intervalMs
  }

  async function ping(): Promise<void> {
    const { name, source } = member.settings
    const what = `ping of ${name}`
    try {
      await withTimeout({ timeoutMs: limitMs(), what, signal: stopped.signal }, async (signal) => source.ping({ signal }))
      record()
    } catch (caught) {
      record(toSdError(caught, 'SD_UNAVAILABLE', what))
    }
    probing = undefined
    if (stopped.signal.aborted) return
    timer = setTimeout(() => void member.probe(), delayMs())
    timer.unref?.()
  }

  const member: Member = {
    settings,
    get health() {
      return health
    },
    probe() {
      clearTimeout(timer)
      probing ??= ping()
      return probing
    },
    stop() {
      clearTimeout(timer)
      stopped.abort()
    },
  }
  void member.probe()
  return member
}

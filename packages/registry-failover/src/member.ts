import { type SdError, spread, toSdError, withTimeout } from '@sd/core'
import type { MemberSettings, ResolvedFailoverSettings } from './options.ts'
import type { MemberState } from './status.ts'

/** What is known of a member's health. */
export interface MemberHealth {
  /** How it is. */
  readonly state: MemberState
  /** When it became so, by `performance.now()`. */
  readonly changedAt: number
  /** When it became so, in epoch milliseconds. */
  readonly since: number
  /** Whether it was ever healthy. */
  readonly answered: boolean
  /** Why it is away. */
  readonly error?: SdError
}

/** A registry among others: what it is used for, and how it is. */
export interface Member {
  /** What it is used for; replaced on reconfiguration. */
  settings: MemberSettings
  /** How it is. */
  readonly health: MemberHealth
  /** Pings it now, or joins the ping that is on its way. Never rejects. */
  probe(): Promise<void>
  /** Ends the pings. The registry itself stays open. */
  stop(): void
}

/** Options of {@link createMember}. */
export interface MemberOptions {
  /** What it is used for. */
  readonly settings: MemberSettings
  /** The durations that count now. */
  readonly timing: () => ResolvedFailoverSettings
  /** Called after every ping. */
  readonly onProbe: () => void
}

/** Follows the health of a member: pings it at once and then again and again. */
export function createMember({ settings, timing, onProbe }: MemberOptions): Member {
  const stopped = new AbortController()
  let health: MemberHealth = { state: 'unknown', changedAt: performance.now(), since: Date.now(), answered: false }
  let probing: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function record(error?: SdError): void {
    if (stopped.signal.aborted) return
    const state = error ? 'away' : 'healthy'
    const changed = health.state !== state
    health = {
      state,
      changedAt: changed ? performance.now() : health.changedAt,
      since: changed ? Date.now() : health.since,
      answered: health.answered || state === 'healthy',
      ...(error && { error }),
    }
    onProbe()
  }

  /** The first answer is waited for by whoever reads, so it must not take longer than a member may be away. */
  function limitMs(): number {
    const { operationTimeoutMs, failAfterMs } = timing()
    return health.answered || failAfterMs === 0 ? operationTimeoutMs : Math.min(operationTimeoutMs, failAfterMs)
  }

  /** Sooner than the interval where a verdict is due before it, so that short hysteresis is kept too. */
  function delayMs(): number {
    const { probeIntervalMs, failAfterMs, returnAfterMs } = timing()
    const intervalMs = spread(probeIntervalMs)
    const dueMs = health.changedAt + (health.state === 'away' ? failAfterMs : returnAfterMs) - performance.now()
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

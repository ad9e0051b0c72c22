import { type Endpoint, judgeOutcome, type Outcome, type OutReason, SdError } from '@sd/core'
import { publishEjection } from './outs.ts'

/** How long a failing instance gets no traffic. */
export interface FailureAccrualOptions {
  /**
   * Number of consecutive failures that take an instance out, from 1. One failure is enough if the connection failed, or if
   * the attempt timed out and the instance sent no response at all since the attempt began.
   *
   * @default 5 (Finagle)
   */
  readonly maxFailures?: number
  /**
   * First penalty, ± 25 %, in milliseconds. After a failed trial the penalty is the time for which the instance has been
   * failing.
   *
   * @default 1_000 (linkerd)
   */
  readonly minPenaltyMs?: number
  /** Longest penalty, ± 25 %, in milliseconds. @default 30_000 */
  readonly maxPenaltyMs?: number
}

/** Parts of {@link FailureAccrual}. */
export interface FailureAccrualParts {
  /** The options with their defaults filled in. */
  readonly options: Required<FailureAccrualOptions>
  /** Whether the cluster is in panic, see `Outs`. */
  readonly isPanic: () => boolean
}

type AccrualReason = Extract<OutReason, 'unreachable' | 'failing' | 'retry-after'>

interface Penalty {
  readonly reason: AccrualReason
  readonly detail: string
  /** Time of the first failure since the last success, by `performance.now()`. */
  readonly failingSince: number
  /** Start of the penalty, by `performance.now()`. */
  readonly startedAt: number
  readonly forMs: number
  /** Time from which a trial may be made, by `performance.now()`; infinite until then. */
  dueAt: number
  /** Number of attempts in progress when a trial was picked; -1 while none was picked. */
  activeBefore: number
  timer: ReturnType<typeof setTimeout> | undefined
}

interface Streak {
  count: number
  readonly since: number
}

/** Name of the block on endpoints, and of the monitor in telemetry. */
const name = 'failure-accrual'
/**
 * During a panic an instance is tried again after this share of its penalty, because the remaining instances carry the
 * whole load.
 */
const panicShare = 0.1
/** How long a pick may take to become an attempt, in milliseconds. After that, another pick may claim the trial. */
const claimMs = 50
/** How long only repeatable requests may claim a trial, in milliseconds. */
const repeatableFirstMs = 1_000
/** Minimum time without a response before losing against faster attempts takes an instance out, in milliseconds. */
const silentMs = 500

/**
 * A short memory of instances that are unreachable, keep failing, or sent `Retry-After`. Such an instance is out for a time
 * that grows while it keeps failing. Then one attempt at a time is let through, and the first good response ends the
 * penalty.
 *
 * @see https://twitter.github.io/finagle/guide/Clients.html#failure-accrual
 * @see https://linkerd.io/2/reference/circuit-breaking/
 */
export class FailureAccrual {
  readonly #isPanic: () => boolean
  readonly #penalties = new Map<Endpoint, Penalty>()
  /** Consecutive attempts that were cancelled because another one was faster. */
  readonly #losses = new Map<Endpoint, Streak>()
  /** Consecutive 429 responses with `Retry-After`. They say nothing about the health of the instance. */
  readonly #refusals = new Map<Endpoint, Streak>()
  #options: Required<FailureAccrualOptions>
  #isClosed = false

  constructor({ options, isPanic }: FailureAccrualParts) {
    this.#options = options
    this.#isPanic = isPanic
  }

  /** Applies new options from now on. */
  configure(options: Required<FailureAccrualOptions>): void {
    this.#options = options
  }

  /** Records the outcome of an attempt. */
  observe(endpoint: Endpoint, outcome: Outcome): void {
    // Attempts may outlive the cluster.
    if (this.#isClosed) return
    const verdict = judgeOutcome(outcome)
    if (verdict === 'success') this.#succeeded(endpoint, outcome)
    else if (verdict === 'failure') this.#failed(endpoint, outcome)
    else if (outcome.latencyMs !== undefined && outcome.status === undefined) this.#lost(endpoint, outcome)
  }

  /** A blocked endpoint sent the head of a response. */
  responded(endpoint: Endpoint): void {
    if (this.#penalties.get(endpoint)?.reason === 'unreachable') this.#end(endpoint)
  }

  /**
   * Several attempts wait for a response and none has arrived for a long time. Later attempts should not have to run into
   * their own timeout.
   */
  silent(endpoint: Endpoint, silentMs: number): void {
    if (this.#isClosed || this.#penalties.has(endpoint)) return
    const startedAt = performance.now() - silentMs
    this.#begin(endpoint, 'unreachable', { ok: false, startedAt }, `no response for ${Math.round(silentMs)} ms`)
  }

  /** A picker chose an endpoint whose trial is due. @returns whether to attempt it; if not, the caller picks another endpoint */
  mayTry(endpoint: Endpoint, isRepeatable: boolean): boolean {
    const penalty = this.#penalties.get(endpoint)
    if (!penalty) return true
    if (!isRepeatable && performance.now() - penalty.dueAt < repeatableFirstMs) return false
    penalty.activeBefore = endpoint.active
    this.#block(endpoint, penalty, false)
    this.#schedule(endpoint, penalty, claimMs)
    return true
  }

  /** A panic began: schedules trials sooner. */
  detectSooner(): void {
    for (const [endpoint, penalty] of this.#penalties) {
      if (penalty.dueAt === Number.POSITIVE_INFINITY) this.#schedule(endpoint, penalty, this.#waitOf(penalty))
    }
  }

  /** Drops the state of an endpoint that is no longer listed. */
  forget(endpoint: Endpoint): void {
    clearTimeout(this.#penalties.get(endpoint)?.timer)
    this.#penalties.delete(endpoint)
    this.#losses.delete(endpoint)
    this.#refusals.delete(endpoint)
  }

  /** Ends all penalties. */
  close(): void {
    this.#isClosed = true
    for (const endpoint of [...this.#penalties.keys()]) this.#end(endpoint)
    this.#losses.clear()
    this.#refusals.clear()
  }

  #succeeded(endpoint: Endpoint, outcome: Outcome): void {
    if (this.#losses.size > 0) this.#losses.delete(endpoint)
    if (outcome.status === 429 && outcome.retryAfterMs !== undefined) {
      // One 429 may be due to the caller's own limit. Two in a row, with no success in between, are due to the instance.
      if (extend(this.#refusals, endpoint).count > 1) this.#failed(endpoint, outcome)
      return
    }
    if (this.#refusals.size > 0) this.#refusals.delete(endpoint)
    const penalty = endpoint.isBlocked ? this.#penalties.get(endpoint) : undefined
    if (!penalty) return
    // The instance said when to come back. A response to an attempt that was already in progress does not change that.
    if (penalty.reason !== 'retry-after' || endpoint.available || penalty.activeBefore >= 0) this.#end(endpoint)
  }

  #failed(endpoint: Endpoint, outcome: Outcome): void {
    const penalty = this.#penalties.get(endpoint)
    const reason = this.#reasonFor(endpoint, outcome)
    if (!penalty) {
      if (reason) this.#begin(endpoint, reason, outcome)
    } else if ((outcome.startedAt ?? performance.now()) >= penalty.dueAt) {
      this.#begin(endpoint, reason ?? penalty.reason, outcome)
    } else if (penalty.reason === 'unreachable' && outcome.status !== undefined) {
      this.#end(endpoint)
    }
  }

  /**
   * An attempt was cancelled because another one was faster. After several of these without any response, the instance is
   * silent rather than slow.
   */
  #lost(endpoint: Endpoint, outcome: Outcome): void {
    const { startedAt = 0 } = outcome
    const before = this.#losses.get(endpoint)
    if (endpoint.respondedAt > (before?.since ?? startedAt)) this.#losses.delete(endpoint)
    if (endpoint.respondedAt > startedAt) return
    const { count, since } = extend(this.#losses, endpoint)
    const penalty = this.#penalties.get(endpoint)
    const isSilent = count >= this.#options.maxFailures && performance.now() - since >= silentMs
    if (!penalty) {
      if (isSilent) this.#begin(endpoint, 'unreachable', outcome)
    } else if (startedAt >= penalty.dueAt) {
      // A lost trial only means that another attempt was faster, which is usual (one in twenty). Try again soon, however
      // long the instance has been failing.
      this.#begin(endpoint, 'unreachable', { ok: false, startedAt: penalty.failingSince, error: outcome.error })
    }
  }

  #reasonFor(endpoint: Endpoint, outcome: Outcome): AccrualReason | undefined {
    const { status, sent = true, startedAt, error, retryAfterMs } = outcome
    if (retryAfterMs !== undefined && retryAfterMs > 0) return 'retry-after'
    const isSilent = startedAt === undefined || endpoint.respondedAt <= startedAt
    if (status === undefined && isSilent && (!sent || isTimeout(error))) return 'unreachable'
    if (endpoint.failures < this.#options.maxFailures) return undefined
    return status === undefined ? 'unreachable' : 'failing'
  }

  #begin(endpoint: Endpoint, reason: AccrualReason, outcome: Outcome, detail?: string): void {
    const before = this.#penalties.get(endpoint)
    clearTimeout(before?.timer)
    const startedAt = performance.now()
    // The outcome reflects the time when the attempt began: a hung attempt says nothing about the instance at the time of
    // the timeout.
    const attemptedAt = outcome.startedAt ?? startedAt
    const failingSince = before?.failingSince ?? attemptedAt
    const penalty: Penalty = {
      reason,
      detail: detail ?? describe(reason, outcome, endpoint.failures),
      failingSince,
      startedAt,
      forMs: this.#timeFor(reason, outcome, attemptedAt - failingSince),
      dueAt: Number.POSITIVE_INFINITY,
      activeBefore: -1,
      timer: undefined,
    }
    this.#penalties.set(endpoint, penalty)
    this.#block(endpoint, penalty, false)
    this.#schedule(endpoint, penalty, this.#waitOf(penalty))
    publishEjection(endpoint, name, { reason, forMs: penalty.forMs })
  }

  /**
   * The penalty equals the time for which the instance has been failing, so it never outlasts a fault by much, however many
   * trials failed.
   */
  #timeFor(reason: AccrualReason, { retryAfterMs = 0 }: Outcome, failingMs: number): number {
    const { minPenaltyMs, maxPenaltyMs } = this.#options
    // The jitter only adds to the time that the instance requested.
    if (reason === 'retry-after') return Math.round(Math.min(retryAfterMs, maxPenaltyMs) * (1 + 0.1 * Math.random()))
    return Math.round(Math.min(Math.max(failingMs, minPenaltyMs), maxPenaltyMs) * (0.75 + 0.5 * Math.random()))
  }

  #waitOf({ reason, startedAt, forMs }: Penalty): number {
    const waitMs = reason !== 'retry-after' && this.#isPanic() ? forMs * panicShare : forMs
    return Math.max(0, startedAt + waitMs - performance.now())
  }

  #schedule(endpoint: Endpoint, penalty: Penalty, afterMs: number): void {
    clearTimeout(penalty.timer)
    penalty.timer = setTimeout(() => this.#elapsed(endpoint, penalty), afterMs)
    penalty.timer.unref?.()
  }

  #elapsed(endpoint: Endpoint, penalty: Penalty): void {
    // A trial in progress may take as long as the instance was out. After that another trial is due.
    const isUnderWay = penalty.activeBefore >= 0 && endpoint.active > penalty.activeBefore
    if (isUnderWay) {
      penalty.activeBefore = Number.MAX_SAFE_INTEGER
      this.#schedule(endpoint, penalty, Math.max(penalty.forMs, this.#options.minPenaltyMs))
      return
    }
    penalty.activeBefore = -1
    penalty.dueAt = performance.now()
    this.#block(endpoint, penalty, true)
  }

  #block(endpoint: Endpoint, { reason, detail, forMs, startedAt }: Penalty, isTrial: boolean): void {
    const leftMs = Math.max(0, Math.round(startedAt + forMs - performance.now()))
    endpoint.block(name, { reason, detail, forMs: leftMs, isTrial })
  }

  #end(endpoint: Endpoint): void {
    this.forget(endpoint)
    endpoint.unblock(name)
    publishEjection(endpoint, name)
  }
}

function extend(streaks: Map<Endpoint, Streak>, endpoint: Endpoint): Streak {
  const known = streaks.get(endpoint)
  if (known) {
    known.count++
    return known
  }
  const made = { count: 1, since: performance.now() }
  streaks.set(endpoint, made)
  return made
}

function isTimeout(error: unknown): boolean {
  return error instanceof SdError && (error.code === 'SD_TIMEOUT' || error.code === 'SD_DEADLINE_EXCEEDED')
}

function describe(reason: AccrualReason, { error, status, retryAfterMs, sent = true }: Outcome, failures: number): string {
  if (reason === 'retry-after') return `status ${status ?? 'unknown'}, retry after ${Math.round(retryAfterMs ?? 0)} ms`
  if (reason === 'failing') return `${failures} failures in a row`
  if (!sent) return 'connection failed'
  return isTimeout(error) || (error instanceof SdError && error.code === 'SD_ABORTED')
    ? 'no response in time'
    : `${failures} failures in a row without a response`
}

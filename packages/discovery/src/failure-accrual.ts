import { type Endpoint, judgeOutcome, type Outcome, type OutReason, SdError } from '@sd/core'
import { publishEjection } from './outs.ts'

/** How long an instance that fails is left alone. */
export interface FailureAccrualOptions {
  /**
   * How many failures in a row take an instance out, from 1. One that can't be connected, or that has not answered anything since an
   * attempt began that ran out of time, is out at the first.
   *
   * @default 5 (Finagle)
   */
  readonly maxFailures?: number
  /** How long it is out at first, ± a quarter, in milliseconds; then, when a trial fails, as long again as it has been failing. @default 1_000 (linkerd) */
  readonly minPenaltyMs?: number
  /** How long it is out at most, ± a quarter, in milliseconds. @default 30_000 */
  readonly maxPenaltyMs?: number
}

/** Parts of {@link FailureAccrual}. */
export interface FailureAccrualParts {
  /** The options with their defaults filled in. */
  readonly options: Required<FailureAccrualOptions>
  /** Whether there is a panic, see `Outs`. */
  readonly isPanic: () => boolean
}

type AccrualReason = Extract<OutReason, 'unreachable' | 'failing' | 'retry-after'>

interface Penalty {
  readonly reason: AccrualReason
  readonly detail: string
  /** When it failed first, without a success since, by `performance.now()`. */
  readonly failingSince: number
  /** When it began, by `performance.now()`. */
  readonly startedAt: number
  readonly forMs: number
  /** Since when an attempt may be made, likewise; infinite before. */
  dueAt: number
  /** Attempts under way when a trial was picked; -1 while none was. */
  activeBefore: number
  timer: ReturnType<typeof setTimeout> | undefined
}

interface Streak {
  count: number
  readonly since: number
}

/** Name by which endpoints are blocked and under which telemetry tells of it. */
const name = 'failure-accrual'
/** In a panic an instance is tried again after this share of its time: those that are in carry the load of all. */
const panicShare = 0.1
/** How long a pick may take to become an attempt, in milliseconds; then the trial is somebody else's. */
const claimMs = 50
/** How long a trial is left to requests that may be repeated, in milliseconds. */
const repeatableFirstMs = 1_000
/** How long no answer may have come from an instance that keeps losing against others, in milliseconds. */
const silentMs = 500

/**
 * A short memory of instances that can't be reached, keep failing, or said when to come back. They are out for a time that grows while they
 * keep failing; then one attempt at a time is let through, and the first that is answered well ends it.
 *
 * @see https://twitter.github.io/finagle/guide/Clients.html#failure-accrual
 * @see https://linkerd.io/2/reference/circuit-breaking/
 */
export class FailureAccrual {
  readonly #isPanic: () => boolean
  readonly #penalties = new Map<Endpoint, Penalty>()
  /** Attempts in a row that were given up for a faster one. */
  readonly #losses = new Map<Endpoint, Streak>()
  /** Responses in a row that asked to come later, but judged nothing: status 429. */
  readonly #refusals = new Map<Endpoint, Streak>()
  #options: Required<FailureAccrualOptions>
  #isClosed = false

  constructor({ options, isPanic }: FailureAccrualParts) {
    this.#options = options
    this.#isPanic = isPanic
  }

  /** Takes over other options, for what happens from now on. */
  configure(options: Required<FailureAccrualOptions>): void {
    this.#options = options
  }

  /** Learns how an attempt ended. */
  observe(endpoint: Endpoint, outcome: Outcome): void {
    // Attempts may outlive the cluster.
    if (this.#isClosed) return
    const verdict = judgeOutcome(outcome)
    if (verdict === 'success') this.#succeeded(endpoint, outcome)
    else if (verdict === 'failure') this.#failed(endpoint, outcome)
    else if (outcome.latencyMs !== undefined && outcome.status === undefined) this.#lost(endpoint, outcome)
  }

  /** The head of a response came from a blocked endpoint. */
  answered(endpoint: Endpoint): void {
    if (this.#penalties.get(endpoint)?.reason === 'unreachable') this.#end(endpoint)
  }

  /** Several attempts wait for a response, and none has come for long: those that come later need not find out by their own limit. */
  silent(endpoint: Endpoint, silentMs: number): void {
    if (this.#isClosed || this.#penalties.has(endpoint)) return
    const startedAt = performance.now() - silentMs
    this.#begin(endpoint, 'unreachable', { ok: false, startedAt }, `no response for ${Math.round(silentMs)} ms`)
  }

  /** An endpoint whose trial is due was picked. @returns whether it is to be attempted; else another one is to be picked */
  mayTry(endpoint: Endpoint, isRepeatable: boolean): boolean {
    const penalty = this.#penalties.get(endpoint)
    if (!penalty) return true
    if (!isRepeatable && performance.now() - penalty.dueAt < repeatableFirstMs) return false
    penalty.activeBefore = endpoint.active
    this.#block(endpoint, penalty, false)
    this.#schedule(endpoint, penalty, claimMs)
    return true
  }

  /** A panic began: endpoints are tried again soon. */
  hurry(): void {
    for (const [endpoint, penalty] of this.#penalties) {
      if (penalty.dueAt === Number.POSITIVE_INFINITY) this.#schedule(endpoint, penalty, this.#waitOf(penalty))
    }
  }

  /** An endpoint is not listed any more. */
  forget(endpoint: Endpoint): void {
    clearTimeout(this.#penalties.get(endpoint)?.timer)
    this.#penalties.delete(endpoint)
    this.#losses.delete(endpoint)
    this.#refusals.delete(endpoint)
  }

  /** Ends all. */
  close(): void {
    this.#isClosed = true
    for (const endpoint of [...this.#penalties.keys()]) this.#end(endpoint)
    this.#losses.clear()
    this.#refusals.clear()
  }

  #succeeded(endpoint: Endpoint, outcome: Outcome): void {
    if (this.#losses.size > 0) this.#losses.delete(endpoint)
    if (outcome.status === 429 && outcome.retryAfterMs !== undefined) {
      // One caller may be over its own limit. Two in a row, and nobody served between them, are about the instance.
      if (extend(this.#refusals, endpoint).count > 1) this.#failed(endpoint, outcome)
      return
    }
    if (this.#refusals.size > 0) this.#refusals.delete(endpoint)
    const penalty = endpoint.isBlocked ? this.#penalties.get(endpoint) : undefined
    if (!penalty) return
    // It said when to come back: what was under way then does not change that.
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

  /** An attempt was given up because another one was faster: after several, and not one answer, it is not slow but silent. */
  #lost(endpoint: Endpoint, outcome: Outcome): void {
    const { startedAt = 0 } = outcome
    const before = this.#losses.get(endpoint)
    if (endpoint.answeredAt > (before?.since ?? startedAt)) this.#losses.delete(endpoint)
    if (endpoint.answeredAt > startedAt) return
    const { count, since } = extend(this.#losses, endpoint)
    const penalty = this.#penalties.get(endpoint)
    const isSilent = count >= this.#options.maxFailures && performance.now() - since >= silentMs
    if (!penalty) {
      if (isSilent) this.#begin(endpoint, 'unreachable', outcome)
    } else if (startedAt >= penalty.dueAt) {
      // A trial that lost was slower than another one, as one of twenty is: the next one is soon due, however long it has been failing.
      this.#begin(endpoint, 'unreachable', { ok: false, startedAt: penalty.failingSince, error: outcome.error })
    }
  }

  #reasonFor(endpoint: Endpoint, outcome: Outcome): AccrualReason | undefined {
    const { status, sent = true, startedAt, error, retryAfterMs } = outcome
    if (retryAfterMs !== undefined && retryAfterMs > 0) return 'retry-after'
    const isSilent = startedAt === undefined || endpoint.answeredAt <= startedAt
    if (status === undefined && isSilent && (!sent || isTimeout(error))) return 'unreachable'
    if (endpoint.failures < this.#options.maxFailures) return undefined
    return status === undefined ? 'unreachable' : 'failing'
  }

  #begin(endpoint: Endpoint, reason: AccrualReason, outcome: Outcome, detail?: string): void {
    const before = this.#penalties.get(endpoint)
    clearTimeout(before?.timer)
    const startedAt = performance.now()
    // An attempt tells of the time when it began: one that hung is no evidence of how the instance was when it was given up.
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

  /** As long again as it has been failing: so it never outlasts a fault by much, however often the instance was tried in it. */
  #timeFor(reason: AccrualReason, { retryAfterMs = 0 }: Outcome, failingMs: number): number {
    const { minPenaltyMs, maxPenaltyMs } = this.#options
    // Jitter only adds to what the instance asked for.
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
    // A trial that is under way may take as long as the instance was out; then it is given up, and another one is due.
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
  if (!sent) return 'could not be connected'
  return isTimeout(error) || (error instanceof SdError && error.code === 'SD_ABORTED')
    ? 'did not answer in time'
    : `${failures} failures in a row without an answer`
}

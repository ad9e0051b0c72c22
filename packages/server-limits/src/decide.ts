import { createHash } from 'node:crypto'
import {
  type CallPriority,
  type ConcurrencyLimit,
  hasTelemetrySubscribers,
  type Outcome,
  type Permit,
  priorityShares,
  publishTelemetry,
  type RateLimitDecision,
  rateLimitHeaders,
  readDeadline,
  readPriority,
  SdError,
  type ServerRefusalReason,
  toSdError,
} from '@sd/core'
import type { Admission, RequestHead } from './admission.ts'
import type { ResolvedServerLimitsOptions } from './options.ts'
import { createRefusal } from './refusal.ts'

/** Longest key that rate limiters accept. */
const maxKeyLength = 512
const noHeaders: Readonly<Record<string, string>> = Object.freeze({})

/** Options of {@link Decider.decide}. */
export interface DecideOptions {
  /**
   * Called only if the request has to wait, with its deadline. The signal aborts when the caller disconnects, or at the
   * deadline.
   */
  readonly signal: (deadlineAt: number | undefined) => AbortSignal | undefined
}

/** Decides whether to admit requests. */
export interface Decider {
  /** Decides about a request. Neither throws nor rejects. */
  decide(head: RequestHead, options: DecideOptions): Admission | Promise<Admission>
  /**
   * Decides about a connection that becomes a stream at once, such as a WebSocket. It takes a place of `streams`, but none
   * of `concurrency`.
   */
  decideStream(head: RequestHead): Promise<Admission>
  /** Refuses a request and publishes the refusal. */
  refuse(
    head: RequestHead,
    reason: ServerRefusalReason,
    priority: CallPriority | undefined,
    decision?: RateLimitDecision,
  ): Admission
}

/** Creates the decider. Checks rate, deadline and place in this order, so that a refused request costs as little as possible. */
export function createDecider(settings: ResolvedServerLimitsOptions): Decider {
  const { name, rate, concurrency, streams, onError } = settings

  /** Calls a function of the application. If it throws, reports the error and uses the fallback. */
  function ask<T>(what: string, question: (head: RequestHead) => T, head: RequestHead, fallback: T): T {
    try {
      return question(head)
    } catch (caught) {
      onError(toSdError(caught, 'SD_LISTENER_FAILED', `${what} of ${name}`))
      return fallback
    }
  }

  function isExempt(head: RequestHead): boolean {
    const end = head.path.indexOf('?')
    if (settings.healthPaths.has(end === -1 ? head.path : head.path.slice(0, end))) return true
    return ask('exempt', settings.exempt, head, false)
  }

  function refuse(
    head: RequestHead,
    reason: ServerRefusalReason,
    priority: CallPriority | undefined,
    decision?: RateLimitDecision,
  ): Admission {
    const retryAfterMs = reason === 'deadline' ? undefined : settings.retryAfterMs * (1 + settings.random())
    const refusal = createRefusal({ name, reason, decision, policy: name, ...(retryAfterMs !== undefined && { retryAfterMs }) })
    if (hasTelemetrySubscribers('sd:v1:server:refused')) {
      publishTelemetry('sd:v1:server:refused', { server: name, reason, method: head.method, priority })
    }
    return { refusal, priority, deadlineAt: undefined, headers: noHeaders, settle() {}, becomeStream() {} }
  }

  function takeRate(head: RequestHead): RateLimitDecision | Promise<RateLimitDecision | undefined> | undefined {
    if (!rate) return undefined
    const { limiter } = rate
    const given = ask('rate.key', rate.key, head, undefined)
    if (given === undefined || given === '') return undefined
    const key = given.length > maxKeyLength ? createHash('sha256').update(given).digest('base64url') : given.toWellFormed()
    const fail = (caught: unknown): undefined => {
      onError(toSdError(caught, 'SD_UNAVAILABLE', `rate limit of ${name}`))
    }
    try {
      const options = { cost: ask('rate.cost', rate.cost, head, 1) }
      return limiter.tryAcquire ? limiter.tryAcquire(key, options) : limiter.acquire(key, options).catch(fail)
    } catch (caught) {
      return fail(caught)
    }
  }

  /** Continues after the rate limit. */
  function decideAfterRate(
    head: RequestHead,
    decision: RateLimitDecision | undefined,
    options: DecideOptions,
  ): Admission | Promise<Admission> {
    const isTrusted = ask('trusted', settings.trusted, head, false)
    const priority = settings.hasPriorities
      ? (ask('priority', settings.priority, head, undefined) ?? readPriority(head.headers, { trusted: isTrusted }) ?? 'default')
      : undefined
    if (decision && !decision.allowed) return refuse(head, 'rate-limit', priority, decision)
    const { timeoutMs, deadlineFloorMs: floorMs } = settings
    const requested = readDeadline(head.headers, { trusted: isTrusted, floorMs }) ?? Number.POSITIVE_INFINITY
    const now = performance.now()
    const earliest = Math.min(requested, timeoutMs > 0 ? now + timeoutMs : Number.POSITIVE_INFINITY)
    const deadlineAt = earliest === Number.POSITIVE_INFINITY ? undefined : earliest
    if (deadlineAt !== undefined && deadlineAt <= now) return refuse(head, 'deadline', priority)
    const admit = (permit: Permit | undefined): Admission =>
      new Admitted({ priority, deadlineAt, decision, policy: name, permit, streams })
    if (!concurrency) return admit(undefined)
    let signal: AbortSignal | undefined
    const place = takePlace(concurrency, priority, () => {
      signal = options.signal(deadlineAt)
      return signal
    })
    if (place === undefined) return refuse(head, 'concurrency-limit', priority)
    if (!isPromise(place)) return admit(place)
    return place.then(admit, (error: unknown) =>
      refuse(head, isDeadline(error, signal, deadlineAt) ? 'deadline' : 'concurrency-limit', priority),
    )
  }

  return {
    decide(head, options) {
      if (isExempt(head)) return new Admitted({})
      const decision = takeRate(head)
      return isPromise(decision)
        ? decision.then((known) => decideAfterRate(head, known, options))
        : decideAfterRate(head, decision, options)
    },
    async decideStream(head) {
      const decision = await takeRate(head)
      if (decision && !decision.allowed) return refuse(head, 'rate-limit', undefined, decision)
      const permit = streams?.tryAcquire()
      if (streams && !permit) return refuse(head, 'streams', undefined)
      return new Admitted({ decision, policy: name, permit })
    },
    refuse,
  }
}

/** Takes a place, at once if one is free, otherwise after a wait. Creates a signal only for a wait. */
function takePlace(
  limit: ConcurrencyLimit,
  priority: CallPriority | undefined,
  makeSignal: () => AbortSignal | undefined,
): Permit | Promise<Permit> | undefined {
  if (!limit.acquire) return limit.tryAcquire({ priority })
  const { max, active, waiting } = limit.load
  if (waiting === 0 && active < Math.floor(max * priorityShares[priority ?? 'critical'])) {
    const permit = limit.tryAcquire({ priority })
    if (permit) return permit
  }
  return limit.acquire({ priority, signal: makeSignal() })
}

/** Whether the deadline has ended a wait. Its timer can fire before the clock has reached it. */
function isDeadline(error: unknown, signal: AbortSignal | undefined, deadlineAt: number | undefined): boolean {
  const isOver = hasCode(signal?.reason, 'SD_DEADLINE_EXCEEDED') || performance.now() >= (deadlineAt ?? Number.POSITIVE_INFINITY)
  return isOver && hasCode(error, 'SD_ABORTED')
}

function hasCode(error: unknown, code: SdError['code']): boolean {
  return error instanceof SdError && error.code === code
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return value instanceof Promise
}

interface AdmittedInit {
  readonly priority?: CallPriority | undefined
  readonly deadlineAt?: number | undefined
  /** Decision of the rate limiter, and the name of its policy in header fields. */
  readonly decision?: RateLimitDecision | undefined
  readonly policy?: string
  readonly permit?: Permit | undefined
  readonly streams?: ConcurrencyLimit | undefined
}

class Admitted implements Admission {
  readonly priority: CallPriority | undefined
  readonly deadlineAt: number | undefined
  readonly #decision: RateLimitDecision | undefined
  readonly #policy: string | undefined
  #permit: Permit | undefined
  #streams: ConcurrencyLimit | undefined

  constructor({ priority, deadlineAt, decision, policy, permit, streams }: AdmittedInit) {
    this.priority = priority
    this.deadlineAt = deadlineAt
    this.#decision = decision
    this.#policy = policy
    this.#permit = permit
    this.#streams = streams
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#decision ? rateLimitHeaders(this.#decision, this.#policy) : noHeaders
  }

  settle(outcome: Outcome): void {
    const permit = this.#permit
    this.#permit = undefined
    this.#streams = undefined
    permit?.settle(outcome)
  }

  becomeStream(latencyMs: number): void {
    const streams = this.#streams
    this.#streams = undefined
    const place = streams?.tryAcquire()
    // If there is no place for streams, the stream keeps its place among the requests, so that it is limited anyway.
    if (streams && !place) return
    const permit = this.#permit
    this.#permit = place
    permit?.settle({ ok: true, latencyMs })
  }
}

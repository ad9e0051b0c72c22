import {
  type CallPickRequest,
  type CallResponse,
  type Endpoint,
  type HedgePolicy,
  hasTelemetrySubscribers,
  isIdempotent,
  type Permit,
  publishTelemetry,
  type RefusingPolicy,
  readServerDelay,
  SdError,
} from '@sd/core'
import { Attempt, type AttemptOwner } from './attempt.ts'
import { findAttemptTime } from './attempt-time.ts'
import type { CallFrame } from './call-frame.ts'
import type { Exchange } from './exchange.ts'
import { askInstanceUnit, isCrowded, isUnitAsked, takeInstanceUnit } from './instance-admission.ts'
import type { ResponseTaker } from './interceptors.ts'
import { explainNoInstance } from './no-instance.ts'
import { repickPolicy } from './repick.ts'
import type { ServiceEntry } from './service-entries.ts'

/** Says nothing about an endpoint. */
const overRate = new SdError('SD_REJECTED', 'All instances that could be called are over their rate limit')

/** The round that a loop is part of: told what the attempts give. */
export interface LoopOwner extends ResponseTaker {
  readonly call: CallFrame
  /** Takes note that a policy refused. */
  noteRefusal(policy: RefusingPolicy, name: string, endpoint?: Endpoint): void
  /** An exchange ended. */
  exchangeEnded(exchange: Exchange): void
}

/** How an attempt is started. */
interface StartOptions {
  /** Whether endpoints that were tried may be tried again, once all were. */
  readonly maySeeAgain: boolean
  /** Whether another attempt is under way, or has just failed, and this one is made beside it. @default false */
  readonly isHedge?: boolean | undefined
}

/** Ends an attempt of a hedged call that has nowhere to go. Once for all: an error takes a stack trace. */
const none = new SdError('SD_NO_INSTANCE', 'No other instance')

/**
 * The attempts of one round: picks endpoints, and tries until there is a response, or nothing more to try. It is what pickers see of the call.
 */
export class AttemptLoop implements CallPickRequest, AttemptOwner {
  readonly call: CallFrame
  readonly service: string
  readonly method: string
  readonly hashKey: string | undefined
  attempted: Endpoint[] | undefined
  isProbe = false
  /** Whose response or error is in effect, or that is under way. */
  attempt: Attempt | undefined
  readonly #owner: LoopOwner
  readonly #entry: ServiceEntry
  /** Has a response that the retry policy wants to improve on. It is in effect unless a better one comes. */
  #kept: Attempt | undefined
  /** Those of a hedge. */
  #hedged: Attempt[] | undefined
  #isOverRate = false
  /** The first endpoint that would have been picked but for its breaker, or because it is crowded. */
  #refused: Endpoint | undefined
  #stopped: SdError | undefined
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(owner: LoopOwner) {
    const { call } = owner
    this.#owner = owner
    this.call = call
    this.service = call.service
    this.method = call.method
    this.hashKey = call.hashKey
    this.#entry = call.entry
  }

  get path(): string {
    return this.call.path
  }

  get headers(): Record<string, string> {
    return this.call.headers
  }

  /** Whether the request may be sent again: an endpoint that is to be tried is better tried by such a one. */
  get repeatable(): boolean {
    const { call } = this
    return isIdempotent(call) && call.request.replayable
  }

  /** Whether another attempt could be made of this request. */
  get mayRepeat(): boolean {
    return this.#entry.policies.retry !== undefined && this.repeatable
  }

  /** Tries until there is a response, or nothing more to try. Tells its owner of what there was, and does not reject. */
  async run(): Promise<void> {
    try {
      const { cluster } = this.#entry
      if (!cluster.snapshot) await cluster.ready({ signal: this.#signal })
      this.#noteCluster()
      const hedge = this.#findHedge()
      let delayMs: number | undefined = 0
      while (delayMs !== undefined) {
        if (this.#stopped) throw this.#stopped
        const maySeeAgain = delayMs > 0
        let attempt: Attempt | undefined
        if (hedge) attempt = await this.#tryHedged(hedge, maySeeAgain)
        else attempt = isUnitAsked(this.#entry) ? await this.#startAllowed({ maySeeAgain }) : this.#startAttempt({ maySeeAgain })
        if (!attempt) break
        this.attempt = attempt
        if (!hedge) await attempt.run(findAttemptTime(this))
        delayMs = this.#prepareNext(attempt)
        if (delayMs !== undefined && delayMs > 0) await this.#pause(delayMs)
      }
      this.#owner.onAnswer(this.#decide())
    } catch (error) {
      this.#owner.onFailure(error)
    }
  }

  /** Ends all attempts. @returns the response that was to be improved on, if it has come as a whole and only the time was lacking */
  stop(error: SdError): CallResponse | undefined {
    if (this.#stopped) return undefined
    this.#stopped = error
    clearTimeout(this.#timer)
    this.#controller?.abort(error)
    const kept = this.#kept
    this.attempt?.stop(error)
    for (const attempt of this.#hedged ?? []) attempt.stop(error)
    if (!kept) return undefined
    const isWhole = kept.exchange?.isOpen !== true && !kept.exchange?.error
    if (error.code === 'SD_DEADLINE_EXCEEDED' && isWhole) {
      this.attempt = kept
      return kept.answer
    }
    kept.stop(error)
    return undefined
  }

  hasOther(endpoint: Endpoint): boolean {
    const attempted = [...(this.attempted ?? []), endpoint]
    const { service, method, hashKey, path, headers } = this
    const request = { service, method, hashKey, path, headers, attempted, isProbe: true } satisfies CallPickRequest
    return this.#entry.attached.pick(request) !== undefined
  }

  #hasAny(): boolean {
    this.isProbe = true
    const found = this.#entry.attached.pick(this)
    this.isProbe = false
    return found !== undefined
  }

  noteRefusal(policy: RefusingPolicy, name: string, endpoint: Endpoint): void {
    this.#owner.noteRefusal(policy, name, endpoint)
  }

  exchangeEnded(exchange: Exchange): void {
    this.#owner.exchangeEnded(exchange)
  }

  /** The hedge policy, if it is in effect for this call. */
  #findHedge(): HedgePolicy | undefined {
    const { hedge } = this.#entry.policies
    const { call } = this
    if (!hedge || call.forward?.pushed || call.forward?.upgrade !== undefined || !call.request.replayable) return undefined
    return hedge.covers(call) ? hedge : undefined
  }

  /** An attempt has ended. @returns after how many milliseconds another one is made, `undefined` for never */
  #prepareNext(attempt: Attempt): number | undefined {
    const { call } = this
    this.#note(attempt)
    const delayMs = this.#stopped || call.isBodyUsed ? undefined : this.#delayAfter(attempt)
    if (delayMs === undefined || performance.now() + delayMs >= call.deadlineAt) return undefined
    this.#noteRetry(attempt, delayMs)
    if (attempt.answer) this.#keep(attempt)
    this.#skip(attempt.endpoint)
    return delayMs
  }

  /** What the last attempt ended with is what the round ends with, unless there is a response and it failed. */
  #decide(): CallResponse {
    const { attempt } = this
    const kept = this.#kept
    if (attempt?.answer) {
      if (kept && kept !== attempt) kept.drop()
      return attempt.answer
    }
    if (kept?.answer && !kept.exchange?.error) {
      this.attempt = kept
      return kept.answer
    }
    throw attempt?.error ?? this.#noInstance()
  }

  #keep(attempt: Attempt): void {
    this.#kept?.drop()
    this.#kept = attempt
  }

  get #signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  /** Waits, unless it is stopped: then it waits for ever, and nobody waits for it. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timer = setTimeout(resolve, delayMs)
    })
  }

  #skip(endpoint: Endpoint): void {
    this.attempted ??= []
    this.attempted.push(endpoint)
  }

  /** An attempt on an endpoint that was not tried yet, or else on one that was refused; after a delay, when all were tried, on any. */
  #startAttempt({ maySeeAgain, isHedge = false }: StartOptions): Attempt | undefined {
    const found = this.#pick() ?? (isHedge ? undefined : this.#force())
    if (found || !maySeeAgain) return found
    this.attempted = undefined
    return this.#pick()
  }

  /** The same, where a backend has to be asked whether the endpoint is over its rate limit. @throws SdError what that fails with */
  async #startAllowed({ maySeeAgain, isHedge }: StartOptions): Promise<Attempt | undefined> {
    for (let isFirst = true; ; isFirst = false) {
      const attempt = this.#startAttempt({ maySeeAgain: maySeeAgain && isFirst, isHedge })
      if (!attempt || (await askInstanceUnit(this.#entry, this.call, attempt.endpoint, this.#signal))) return attempt
      attempt.stop(overRate)
      this.call.attempts--
      this.#skip(attempt.endpoint)
      this.#noteOverRate(attempt.endpoint)
    }
  }

  #pick(): Attempt | undefined {
    this.#refused = undefined
    const { attached, policies } = this.#entry
    const { instanceBreakers } = policies
    const { call } = this
    for (;;) {
      const endpoint = attached.pick(this)
      if (!endpoint) return undefined
      if (call.forward?.filter(endpoint.instance) === false) {
        this.#skip(endpoint)
        continue
      }
      if (isCrowded(this.#entry, endpoint)) {
        this.#refused ??= endpoint
        this.#skip(endpoint)
        continue
      }
      const permit = instanceBreakers?.tryAcquire(endpoint)
      if (instanceBreakers && !permit) {
        this.#refused ??= endpoint
        this.noteRefusal('instance-breaker', instanceBreakers.of(endpoint).name, endpoint)
      } else if (this.#takeUnit(endpoint, permit)) return this.#begin(endpoint, permit)
      this.#skip(endpoint)
    }
  }

  /**
   * What lets through only so many must not leave an attempt without any instance: breakers with their trials, and one endpoint's share of the
   * places. What made the attempt has paid for it, but a hedge can do without.
   */
  #force(): Attempt | undefined {
    const endpoint = this.#refused
    if (!endpoint) return undefined
    const permit = this.#entry.policies.instanceBreakers?.force(endpoint)
    return this.#takeUnit(endpoint, permit) ? this.#begin(endpoint, permit) : undefined
  }

  /** Takes a unit of an endpoint's rate limit. */
  #takeUnit(endpoint: Endpoint, permit: Permit | undefined): boolean {
    const { instanceRateLimit } = this.#entry.policies
    if (!instanceRateLimit || takeInstanceUnit(this.#entry, this.call, endpoint)) return true
    permit?.settle({ ok: true, error: overRate })
    this.#noteOverRate(endpoint)
    return false
  }

  #noteOverRate(endpoint: Endpoint): void {
    this.#isOverRate = true
    this.noteRefusal('rate-limit', this.#entry.policies.instanceRateLimit?.limiter.name ?? '', endpoint)
  }

  #begin(endpoint: Endpoint, permit: Permit | undefined): Attempt {
    const { call } = this
    call.recorder?.note('picked', { attempt: call.attempts + 1, endpoint })
    return new Attempt(this, endpoint, { attempt: ++call.attempts, breakers: this.#entry.policies.instanceBreakers, permit })
  }

  #noInstance(): SdError {
    if (this.#isOverRate) return overRate
    return explainNoInstance(this.#entry.cluster)
  }

  /** Tries, and tries again while that takes long. @returns the attempt whose end is in effect, `undefined` if there was no endpoint for any */
  async #tryHedged(hedge: HedgePolicy, maySeeAgain: boolean): Promise<Attempt | undefined> {
    let failed: AttemptFailure | undefined
    let isAnswered = this.#kept !== undefined
    try {
      return await hedge.execute<Attempt>(
        async ({ attempt: number, signal }) => {
          const how = { maySeeAgain, isHedge: number > 1 }
          const attempt = isUnitAsked(this.#entry) ? await this.#startAllowed(how) : this.#startAttempt(how)
          if (!attempt) throw failed ?? none
          this.#skip(attempt.endpoint)
          signal.addEventListener('abort', () => attempt.lose(signal.reason as SdError), { once: true })
          this.#hedged ??= []
          this.#hedged.push(attempt)
          // The hedge goes elsewhere when it takes long: only a limit that was set, or is measured, ends an attempt beside.
          const time = findAttemptTime(this)
          await attempt.run(time?.onlyForAnother ? undefined : time)
          if (!attempt.answer) {
            failed = new AttemptFailure(attempt)
            throw failed
          }
          isAnswered = true
          return attempt
        },
        {
          signal: this.#signal,
          canStart: () => this.#hasAny(),
          isFinal: ({ value, error }) =>
            value ? isGood(value) : !isAnswered && error instanceof AttemptFailure && !error.attempt.error?.retryable,
          outcomeOf: ({ value, error }) =>
            value?.exchange ?? (error instanceof AttemptFailure ? error.attempt.exchange : undefined) ?? { ok: false, error },
          discard: (attempt) => attempt.drop(),
          onHedge: ({ attempt, afterMs }) => {
            publishTelemetry('sd:v1:call:hedge', { call: this.call, attempt, afterMs })
            this.call.recorder?.note('hedge', { detail: `after ${Math.round(afterMs)} ms` })
          },
        },
      )
    } catch (error) {
      if (error instanceof AttemptFailure) return error.attempt
      if (error === none) return undefined
      throw error
    }
  }

  #noteCluster(): void {
    const { cluster } = this.#entry
    this.call.recorder?.noteCluster(() => cluster.explain())
  }

  #note({ attempt, endpoint, answer, error }: Attempt): void {
    const { recorder } = this.call
    if (!recorder) return
    const detail = answer ? String(answer.status) : error?.message
    recorder.note(answer ? 'answered' : 'failed', { attempt, endpoint, detail })
  }

  /** When another attempt is made. The default policy takes it from the budget here, unless it was paid for when its limit was over. */
  #delayAfter(attempt: Attempt): number | undefined {
    const { retry, budget } = this.#entry.policies
    const delay = retry?.next(attempt)
    if (delay === undefined || retry !== repickPolicy || attempt.isReplacementPaid) return delay
    return budget.tryWithdraw() ? delay : undefined
  }

  #noteRetry(attempt: Attempt, delayMs: number): void {
    const { status, error } = attempt
    const { call } = this
    if (hasTelemetrySubscribers('sd:v1:call:retry')) {
      publishTelemetry('sd:v1:call:retry', { call, attempt: attempt.attempt, delayMs, status, error })
    }
    call.recorder?.note('retry', { detail: `in ${Math.round(delayMs)} ms` })
  }
}

/** Carries an attempt without a response through a hedge policy, which prefers values to errors. */
class AttemptFailure extends Error {
  readonly attempt: Attempt

  constructor(attempt: Attempt) {
    super('The attempt failed', { cause: attempt.error })
    this.attempt = attempt
  }
}

/** Whether it ends a hedged call: it is good, or tells when to come back. */
function isGood({ answer }: Attempt): boolean {
  if (!answer) return false
  const { status, headers } = answer
  return (status < 500 && status !== 429) || readServerDelay(headers) !== undefined
}

import {
  type CallResponse,
  type Endpoint,
  type HedgePolicy,
  hasTelemetrySubscribers,
  publishTelemetry,
  type RefusingPolicy,
  type SdError,
} from '@sd/core'
import type { CallFrame } from '../call/call-frame.ts'
import type { ResponseTaker } from '../call/interceptors.ts'
import type { Attempt, AttemptOwner } from './attempt.ts'
import { AttemptStarter } from './attempt-starter.ts'
import { type AttemptTime, findAttemptTime } from './attempt-time.ts'
import type { Exchange } from './exchange.ts'
import { type HedgeOwner, runHedged } from './hedged-attempts.ts'
import { repickPolicy } from './repick.ts'

/** The round that a loop is part of; it receives the result of the attempts. */
export interface LoopOwner extends ResponseTaker {
  readonly call: CallFrame
  /** Records that a policy rejected an attempt. */
  noteRefusal(policy: RefusingPolicy, name: string, endpoint?: Endpoint): void
  /** An exchange ended. */
  exchangeEnded(exchange: Exchange): void
}

/** The attempts of one round: tries until there is a response, or no further attempt is allowed. */
export class AttemptLoop implements AttemptOwner, HedgeOwner {
  readonly call: CallFrame
  readonly starter: AttemptStarter
  /** The attempt in progress, or the one whose result applies. */
  attempt: Attempt | undefined
  readonly #owner: LoopOwner
  /** Has a response that the retry policy tries to improve on. It is the result unless a better one arrives. */
  #kept: Attempt | undefined
  /** The attempts of a hedge. */
  #hedged: Attempt[] | undefined
  #stopped: SdError | undefined
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(owner: LoopOwner) {
    this.#owner = owner
    this.call = owner.call
    this.starter = new AttemptStarter(this)
  }

  /** Whether another attempt of this request is possible. */
  get mayRepeat(): boolean {
    return this.call.entry.policies.retry !== undefined && this.starter.repeatable
  }

  /** Tries until there is a response, or no further attempt is allowed. Passes the result to its owner; never rejects. */
  async run(): Promise<void> {
    try {
      const { starter } = this
      const { cluster } = this.call.entry
      if (!cluster.snapshot) await cluster.ready({ signal: this.signal })
      this.call.init.recorder?.noteCluster(() => cluster.explain())
      const hedge = this.#findHedge()
      let delayMs: number | undefined = 0
      while (delayMs !== undefined) {
        if (this.#stopped) throw this.#stopped
        const maySeeAgain = delayMs > 0
        let attempt: Attempt | undefined
        if (hedge) attempt = await runHedged(this, hedge, maySeeAgain)
        else
          attempt = starter.mustRequestUnit
            ? await starter.startAllowed({ maySeeAgain }, this.signal)
            : starter.start({ maySeeAgain })
        if (!attempt) break
        this.attempt = attempt
        if (!hedge) await attempt.run(this.findTime())
        delayMs = this.#prepareNext(attempt)
        if (delayMs !== undefined && delayMs > 0) await this.#pause(delayMs)
      }
      this.#owner.onResponse(this.#decide())
    } catch (error) {
      this.#owner.onFailure(error)
    }
  }

  /** Ends all attempts. @returns the response that was to be improved on, if it is complete and the deadline was the reason */
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
      return kept.result
    }
    kept.stop(error)
    return undefined
  }

  hasOther(endpoint: Endpoint): boolean {
    return this.starter.hasOther(endpoint)
  }

  noteRefusal(policy: RefusingPolicy, name: string, endpoint: Endpoint): void {
    this.#owner.noteRefusal(policy, name, endpoint)
  }

  exchangeEnded(exchange: Exchange): void {
    this.#owner.exchangeEnded(exchange)
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  get hasKept(): boolean {
    return this.#kept !== undefined
  }

  findTime(): AttemptTime | undefined {
    return findAttemptTime(this)
  }

  onHedged(attempt: Attempt): void {
    this.#hedged ??= []
    this.#hedged.push(attempt)
  }

  /** The hedge policy, if it applies to this call. */
  #findHedge(): HedgePolicy | undefined {
    const { call } = this
    const { hedge } = call.entry.policies
    if (!hedge || call.forward?.pushed || call.forward?.upgrade !== undefined || !call.request.replayable) return undefined
    return hedge.covers(call) ? hedge : undefined
  }

  /** An attempt has ended. @returns the delay of the next one in milliseconds, `undefined` for none */
  #prepareNext(attempt: Attempt): number | undefined {
    const { call } = this
    this.#note(attempt)
    const delayMs = this.#stopped || call.isBodyUsed ? undefined : this.#delayAfter(attempt)
    if (delayMs === undefined || performance.now() + delayMs >= call.deadlineAt) return undefined
    this.#noteRetry(attempt, delayMs)
    if (attempt.result) {
      this.#kept?.drop()
      this.#kept = attempt
    }
    this.starter.skip(attempt.endpoint)
    return delayMs
  }

  /** The result of the round is that of the last attempt, unless that failed and there is an earlier response. */
  #decide(): CallResponse {
    const { attempt } = this
    const kept = this.#kept
    if (attempt?.result) {
      if (kept && kept !== attempt) kept.drop()
      return attempt.result
    }
    if (kept?.result && !kept.exchange?.error) {
      this.attempt = kept
      return kept.result
    }
    throw attempt?.error ?? this.starter.explainNone()
  }

  /** Waits. If the round is stopped it never resolves, and no code waits for it. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timer = setTimeout(resolve, delayMs)
    })
  }

  #note({ attempt, endpoint, result, error }: Attempt): void {
    const { recorder } = this.call.init
    if (!recorder) return
    const detail = result ? String(result.status) : error?.message
    recorder.note(result ? 'responded' : 'failed', { attempt, endpoint, detail })
  }

  /**
   * Delay of the next attempt. The default policy takes it from the budget here, unless it was paid for when its limit
   * passed.
   */
  #delayAfter(attempt: Attempt): number | undefined {
    const { retry, budget } = this.call.entry.policies
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
    call.init.recorder?.note('retry', { detail: `in ${Math.round(delayMs)} ms` })
  }
}

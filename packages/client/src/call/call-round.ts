import {
  type CallResponse,
  type Endpoint,
  type Outcome,
  type Permit,
  publishTelemetry,
  type RefusingPolicy,
  SdError,
  toSdError,
} from '@sd/core'
import { AttemptLoop, type LoopOwner } from '../attempt/attempt-loop.ts'
import type { Exchange } from '../attempt/exchange.ts'
import { type Applicant, admit, admitAtOnce } from '../policies/admission.ts'
import type { Fallback } from '../policies/fallback.ts'
import type { CallFailure } from '../policies/fallback-setting.ts'
import type { CallFrame } from './call-frame.ts'
import type { ResponseTaker } from './interceptors.ts'

/** The call that a round is part of. */
export interface RoundOwner extends CallFrame {
  /** An exchange whose response a round gave ended. */
  exchangeEnded(exchange: Exchange): void
}

/**
 * What one `next()` of the call interceptors does: the policies that guard the service, the attempts, the fallback. It holds the permits of the
 * service until the exchange whose response it gave has ended.
 */
export class CallRound implements LoopOwner, Applicant {
  readonly call: RoundOwner
  /** What it gave. */
  response: CallResponse | undefined
  readonly #loop: AttemptLoop
  /** When it began or, where policies were asked, when they had let it through. */
  #startedAt: number
  /** Of the concurrency limit and of the service's breaker. */
  #permits: Permit[] | undefined
  /** From the last permit to the head of the response, in milliseconds: waiting for a permit says nothing about the service. */
  #latencyMs: number | undefined
  /** Why it was ended. */
  stopped: SdError | undefined
  /** Whose response it gave. */
  #exchange: Exchange | undefined
  /** Who waits for it. */
  #taker: ResponseTaker | undefined

  constructor(call: RoundOwner) {
    this.call = call
    this.#startedAt = call.attempts === 0 ? call.startedAt : performance.now()
    this.#loop = new AttemptLoop(this)
  }

  /** Gives the response, or what the fallback makes of the failure. */
  run(taker: ResponseTaker): void {
    const { fallback } = this.call.entry.policies
    if (fallback) void this.#respondAnyway(fallback, taker)
    else this.#try(taker)
  }

  /** Ends it, whatever it waits for. @returns whether it gives a response all the same: one that came before, and was to be improved on */
  stop(error: SdError): boolean {
    if (this.stopped) return false
    this.stopped = error
    const instead = this.response ? undefined : this.#loop.stop(error)
    if (this.response) this.#exchange?.stop(error)
    this.#settlePermits(error)
    if (instead && this.#taker) {
      this.response = instead
      this.#taker.onResponse(instead)
      return true
    }
    this.#taker?.onFailure(error)
    return false
  }

  /** Ends an exchange whose response was not read, because another round begins. A body that has come as a whole stays. */
  dropUnread(): void {
    this.#exchange?.dropUnread()
  }

  /** Its response is what the call gives. @returns the exchange whose body is still to come */
  keep(): Exchange | undefined {
    if (!this.response) this.stop(new SdError('SD_ABORTED', 'The call has ended'))
    return this.#exchange
  }

  /** An exchange ended. */
  exchangeEnded(exchange: Exchange): void {
    if (exchange !== this.#exchange) return
    this.#settlePermits(exchange.error)
    this.call.exchangeEnded(exchange)
  }

  /** Takes note that a policy refused. */
  noteRefusal(policy: RefusingPolicy, name: string, endpoint?: Endpoint): void {
    publishTelemetry('sd:v1:call:refused', { call: this.call, policy, name })
    this.call.init.recorder?.note('refused', { ...(endpoint && { endpoint }), detail: `${policy} ${name}` })
  }

  async #respondAnyway(fallback: Fallback, taker: ResponseTaker): Promise<void> {
    try {
      taker.onResponse(await this.#tryOrFallBack(fallback))
    } catch (error) {
      taker.onFailure(error)
    }
  }

  async #tryOrFallBack(fallback: Fallback): Promise<CallResponse> {
    const { call } = this
    let failure: CallFailure
    let response: CallResponse | undefined
    try {
      response = await new Promise<CallResponse>((onResponse, onFailure) => this.#try({ onResponse, onFailure }))
      if (response.status < 500) {
        fallback.remember?.(call, response, this.#loop.attempt?.headers ?? call.headers)
        return response
      }
      const { status } = response
      failure = { error: new SdError('SD_HTTP_STATUS', `${call.service} answered ${status}`, { retryable: true }), status }
    } catch (caught) {
      const error = this.stopped ?? toSdError(caught, 'SD_UNAVAILABLE', `Calling ${call.service}`)
      if (error.code === 'SD_ABORTED' || error.code === 'SD_CLOSED') throw error
      failure = { error }
    }
    const instead = await fallback.respond(failure, call)
    if (!instead) {
      if (response) return response
      throw failure.error
    }
    const { error } = failure
    this.#settlePermits(error)
    this.#exchange?.stop(new SdError('SD_ABORTED', 'A fallback gave the response'))
    this.#exchange = undefined
    this.response = instead
    publishTelemetry('sd:v1:call:fallback', { call, error })
    call.init.recorder?.note('fallback', { detail: error.message })
    return instead
  }

  addPermit(permit: Permit): void {
    if (this.#permits) this.#permits.push(permit)
    else this.#permits = [permit]
  }

  /** Asks the policies and makes the attempts, until it is stopped. */
  #try(taker: ResponseTaker): void {
    this.#taker = taker
    const { rateLimit, concurrencyLimit, breaker } = this.call.entry.policies
    if (rateLimit) void this.#askPolicies()
    else if (!concurrencyLimit && !breaker) void this.#loop.run()
    else this.#askAtOnce()
  }

  #askAtOnce(): void {
    try {
      const waiting = admitAtOnce(this)
      if (waiting) void this.#askPolicies(waiting)
      else void this.#loop.run()
    } catch (error) {
      this.onFailure(error)
    }
  }

  async #askPolicies(waiting?: Promise<Permit>): Promise<void> {
    try {
      await admit(this, waiting)
      this.#startedAt = performance.now()
      void this.#loop.run()
    } catch (error) {
      this.onFailure(error)
    }
  }

  /** The attempts failed. */
  onFailure(error: unknown): void {
    this.#settlePermits(toSdError(error, 'SD_UNAVAILABLE', `Calling ${this.call.service}`))
    this.#taker?.onFailure(error)
  }

  /** The attempts gave a response. */
  onResponse(response: CallResponse): void {
    if (this.stopped) return
    this.response = response
    const exchange = this.#loop.attempt?.exchange
    this.#exchange = exchange
    if (this.#permits) this.#latencyMs = (exchange?.answeredAt ?? performance.now()) - this.#startedAt
    if (!exchange?.isOpen) this.#settlePermits(exchange?.error)
    this.#taker?.onResponse(response)
  }

  #settlePermits(error: SdError | undefined): void {
    const permits = this.#permits
    if (!permits) return
    this.#permits = undefined
    const exchange = this.#exchange ?? this.#loop.attempt?.exchange
    const status = exchange?.status
    const ok = error === undefined && exchange?.ok !== false
    const outcome: Outcome = { ok, status, ...this.#blame(error, exchange), latencyMs: this.#latencyMs }
    for (const permit of permits) permit.settle(outcome)
  }

  /** Whose doing a failure was: the exchange knows; what interceptors throw of their own is of this process, whatever it looks like. */
  #blame(error: SdError | undefined, exchange: Exchange | undefined): Pick<Outcome, 'error' | 'origin'> {
    if (error === undefined || error === this.stopped) return { error }
    if (exchange?.error) return { error: exchange.error, origin: exchange.origin }
    return { error, origin: 'local' }
  }
}

/** The round whose response is handed out, or was wrapped: the last one that has any. The others are ended. */
export function chooseRound(rounds: readonly CallRound[], response: CallResponse): CallRound | undefined {
  const chosen =
    rounds.find(({ response: own }) => own === response || (own !== undefined && own.body === response.body)) ??
    rounds.findLast(({ response: own }) => own !== undefined)
  const unused = new SdError('SD_ABORTED', 'Another response was handed out')
  for (const round of rounds) if (round !== chosen) round.stop(unused)
  return chosen
}

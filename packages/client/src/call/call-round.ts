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
  /** An exchange ended whose response was the result of a round. */
  exchangeEnded(exchange: Exchange): void
}

/**
 * The work of one `next()` of the call interceptors: the policies of the service, the attempts, the fallback. It holds
 * the permits of the service until the exchange of its response has ended.
 */
export class CallRound implements LoopOwner, Applicant {
  readonly call: RoundOwner
  /** The result. */
  response: CallResponse | undefined
  readonly #loop: AttemptLoop
  /** Start of the round or, if there are policies, the time when they admitted it. */
  #startedAt: number
  /** Permits of the concurrency limit and of the service's breaker. */
  #permits: Permit[] | undefined
  /** From the last permit to the head of the response, in milliseconds: waiting for a permit says nothing about the service. */
  #latencyMs: number | undefined
  /** The reason why it was ended. */
  stopped: SdError | undefined
  /** The exchange of its response. */
  #exchange: Exchange | undefined
  /** Receives the result. */
  #taker: ResponseTaker | undefined

  constructor(call: RoundOwner) {
    this.call = call
    this.#startedAt = call.attempts === 0 ? call.startedAt : performance.now()
    this.#loop = new AttemptLoop(this)
  }

  /** Runs the round: its result is a response, or what the fallback returns for a failure. */
  run(taker: ResponseTaker): void {
    const { fallback } = this.call.entry.policies
    if (fallback) void this.#respondAnyway(fallback, taker)
    else this.#try(taker)
  }

  /**
   * Ends the round, whatever it waits for. @returns whether it still has a response: an earlier one that a retry was to
   * improve on
   */
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

  /** Ends an exchange whose response was not read, because another round begins. A complete body is kept. */
  dropUnread(): void {
    this.#exchange?.dropUnread()
  }

  /** The call uses the response of this round. @returns the exchange whose body is incomplete */
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

  /** Records that a policy rejected the call. */
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
      failure = {
        error: new SdError('SD_HTTP_STATUS', `${call.service} responded with status ${status}`, { retryable: true }),
        status,
      }
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
    this.#exchange?.stop(new SdError('SD_ABORTED', 'The fallback replaced the response'))
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

  /** Passes the policies and makes the attempts, until it is stopped. */
  #try(taker: ResponseTaker): void {
    this.#taker = taker
    const { rateLimit, concurrencyLimit, breaker } = this.call.entry.policies
    if (rateLimit) void this.#passPolicies()
    else if (!concurrencyLimit && !breaker) void this.#loop.run()
    else this.#passPoliciesNow()
  }

  #passPoliciesNow(): void {
    try {
      const waiting = admitAtOnce(this)
      if (waiting) void this.#passPolicies(waiting)
      else void this.#loop.run()
    } catch (error) {
      this.onFailure(error)
    }
  }

  async #passPolicies(waiting?: Promise<Permit>): Promise<void> {
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

  /** The attempts produced a response. */
  onResponse(response: CallResponse): void {
    if (this.stopped) return
    this.response = response
    const exchange = this.#loop.attempt?.exchange
    this.#exchange = exchange
    if (this.#permits) this.#latencyMs = (exchange?.respondedAt ?? performance.now()) - this.#startedAt
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

  /** Origin of a failure. The exchange knows it; an exception of an interceptor always has the origin of this process. */
  #blame(error: SdError | undefined, exchange: Exchange | undefined): Pick<Outcome, 'error' | 'origin'> {
    if (error === undefined || error === this.stopped) return { error }
    if (exchange?.error) return { error: exchange.error, origin: exchange.origin }
    return { error, origin: 'local' }
  }
}

/** The last round that has the response that the caller gets, possibly wrapped. The other rounds are ended. */
export function chooseRound(rounds: readonly CallRound[], response: CallResponse): CallRound | undefined {
  const chosen =
    rounds.find(({ response: own }) => own === response || (own !== undefined && own.body === response.body)) ??
    rounds.findLast(({ response: own }) => own !== undefined)
  const unused = new SdError('SD_ABORTED', 'Another response was used')
  for (const round of rounds) if (round !== chosen) round.stop(unused)
  return chosen
}

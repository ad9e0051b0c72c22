import {
  type CallResponse,
  callFallbackChannel,
  callRefusedChannel,
  type Endpoint,
  type Permit,
  publishTelemetry,
  type RefusingPolicy,
  SdError,
  toSdError,
} from '@sd/core'
import { type AdmissionInit, admit, admitAtOnce } from './admission.ts'
import { AttemptLoop, type LoopOwner } from './attempt-loop.ts'
import type { CallFrame } from './call-frame.ts'
import type { Exchange } from './exchange.ts'
import type { CallFailure, Fallback } from './fallback.ts'

/** The call that a round is part of. */
export interface RoundOwner extends CallFrame {
  /** An exchange whose response a round gave ended. */
  exchangeEnded(exchange: Exchange): void
}

/**
 * What one `next()` of the call interceptors does: the policies that guard the service, the attempts, the fallback. It holds the permits of the
 * service until the exchange whose response it gave has ended.
 */
export class CallRound implements LoopOwner {
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
  #stopped: SdError | undefined
  /** Whose response it gave. */
  #exchange: Exchange | undefined
  #resolve: ((response: CallResponse) => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  constructor(call: RoundOwner) {
    this.call = call
    this.#startedAt = call.attempts === 0 ? call.startedAt : performance.now()
    this.#loop = new AttemptLoop(this)
  }

  /** Gives the response, or what the fallback makes of the failure. */
  run(resolve: (response: CallResponse) => void, reject: (error: unknown) => void): void {
    const { fallback } = this.call.entry.policies
    if (fallback) this.#answerAnyway(fallback).then(resolve, reject)
    else this.#try(resolve, reject)
  }

  /** Ends it, whatever it waits for. @returns whether it gives a response all the same: one that came before, and was to be improved on */
  stop(error: SdError): boolean {
    if (this.#stopped) return false
    this.#stopped = error
    const instead = this.response ? undefined : this.#loop.stop(error)
    if (this.response) this.#exchange?.stop(error)
    this.#settlePermits(error)
    if (instead && this.#resolve) {
      this.response = instead
      this.#resolve(instead)
      return true
    }
    this.#reject?.(error)
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
    publishTelemetry(callRefusedChannel, { call: this.call, policy, name })
    this.call.recorder?.note('refused', { ...(endpoint && { endpoint }), detail: `${policy} ${name}` })
  }

  async #answerAnyway(fallback: Fallback): Promise<CallResponse> {
    const { call } = this
    let failure: CallFailure
    let response: CallResponse | undefined
    try {
      response = await new Promise<CallResponse>((resolve, reject) => this.#try(resolve, reject))
      if (response.status < 500) {
        fallback.remember?.(call, response, this.#loop.attempt?.headers ?? call.headers)
        return response
      }
      const { status } = response
      failure = { error: new SdError('SD_HTTP_STATUS', `${call.service} answered ${status}`, { retryable: true }), status }
    } catch (caught) {
      const error = this.#stopped ?? toSdError(caught, 'SD_UNAVAILABLE', `Calling ${call.service}`)
      if (error.code === 'SD_ABORTED' || error.code === 'SD_CLOSED') throw error
      failure = { error }
    }
    const instead = await fallback.answer(failure, call)
    if (!instead) {
      if (response) return response
      throw failure.error
    }
    const { error } = failure
    this.#settlePermits(error)
    this.#exchange?.stop(new SdError('SD_ABORTED', 'A fallback answered'))
    this.#exchange = undefined
    this.response = instead
    publishTelemetry(callFallbackChannel, { call, error })
    call.recorder?.note('fallback', { detail: error.message })
    return instead
  }

  /** Asks the policies and makes the attempts, until it is stopped. */
  #try(resolve: (response: CallResponse) => void, reject: (error: unknown) => void): void {
    this.#resolve = resolve
    this.#reject = reject
    this.#begin().then(
      (given) => this.#give(given),
      (error: unknown) => {
        this.#settlePermits(toSdError(error, 'SD_UNAVAILABLE', `Calling ${this.call.service}`))
        reject(error)
      },
    )
  }

  #begin(): Promise<CallResponse> {
    const { rateLimit, concurrencyLimit, breaker } = this.call.entry.policies
    if (!rateLimit && !concurrencyLimit && !breaker) return this.#loop.run()
    const permits: Permit[] = []
    this.#permits = permits
    if (rateLimit) return this.#askPolicies(permits)
    try {
      const waiting = admitAtOnce({ ...this.#admission, permits })
      if (waiting) return this.#askPolicies(permits, waiting)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#loop.run()
  }

  async #askPolicies(permits: Permit[], waiting?: Promise<Permit>): Promise<CallResponse> {
    await admit({ ...this.#admission, permits, waiting, stopped: () => this.#stopped })
    this.#startedAt = performance.now()
    return this.#loop.run()
  }

  get #admission(): Omit<AdmissionInit, 'permits' | 'stopped' | 'waiting'> {
    const { call } = this
    return { call, policies: call.entry.policies, onRefusal: (policy, name) => this.noteRefusal(policy, name) }
  }

  #give(response: CallResponse): void {
    if (this.#stopped) return
    if (this.#permits) this.#latencyMs = performance.now() - this.#startedAt
    this.response = response
    const exchange = this.#loop.attempt?.exchange
    this.#exchange = exchange
    if (!exchange?.isOpen) this.#settlePermits(exchange?.error)
    this.#resolve?.(response)
  }

  #settlePermits(error: SdError | undefined): void {
    const permits = this.#permits
    if (!permits) return
    this.#permits = undefined
    const exchange = this.#exchange ?? this.#loop.attempt?.exchange
    const status = exchange?.status
    const ok = error === undefined && exchange?.ok !== false
    for (const permit of permits) permit.settle({ ok, status, error, latencyMs: this.#latencyMs })
  }
}

import {
  type AttemptContext,
  type AttemptResult,
  type CallResponse,
  type Endpoint,
  isFairTime,
  isOwnLimit,
  type Permit,
  type RefusingPolicy,
  SdError,
  toSdError,
} from '@sd/core'
import type { CallFrame } from '../call/call-frame.ts'
import { type ResponseTaker, runChain } from '../call/interceptors.ts'
import type { ServiceResponse } from '../message/service-response.ts'
import type { InstanceBreakers } from '../policies/instance-breakers.ts'
import { type AttemptTime, mayAfford } from './attempt-time.ts'
import { Exchange, type ExchangeOwner } from './exchange.ts'

/** Does not count against the endpoint. */
const unsent = new SdError('SD_ABORTED', 'The attempt was not sent')
/** Created once: an error costs as much as the rest of an attempt. */
const over = new SdError('SD_ABORTED', 'The attempt has ended')

/** The loop that makes attempts. */
export interface AttemptOwner {
  readonly call: CallFrame
  /** Whether an endpoint other than this one, and those that were tried, can be picked now. */
  hasOther(endpoint: Endpoint): boolean
  /** The instance's breaker rejected a repetition of the request. */
  noteRefusal(policy: RefusingPolicy, name: string, endpoint: Endpoint): void
  /** The exchange whose response applies has ended. */
  exchangeEnded(exchange: Exchange): void
}

/**
 * One attempt of a call on one endpoint: context for interceptors, result for the retry policy. Every `next()` of its
 * interceptors is an {@link Exchange}; the one whose response they return applies.
 */
export class Attempt implements AttemptContext, AttemptResult, ExchangeOwner, ResponseTaker {
  readonly call: CallFrame
  readonly endpoint: Endpoint
  readonly attempt: number
  /** The error, if the attempt failed. */
  error: SdError | undefined
  /** The response after the interceptors; absent if the attempt failed. */
  result: CallResponse | undefined
  /** The exchange that applies or is in progress. */
  exchange: Exchange | undefined
  readonly #owner: AttemptOwner
  readonly #breakers: InstanceBreakers | undefined
  /** Permit of the instance's breaker, for the first exchange. */
  readonly #permit: Permit | undefined
  #headers: Record<string, string> | undefined
  #time: AttemptTime | undefined
  #stopped: SdError | undefined
  #earlier: Exchange[] | undefined
  #resolve: (() => void) | undefined

  constructor(
    owner: AttemptOwner,
    endpoint: Endpoint,
    { attempt, breakers, permit }: { attempt: number; breakers: InstanceBreakers | undefined; permit: Permit | undefined },
  ) {
    this.#owner = owner
    this.call = owner.call
    this.endpoint = endpoint
    this.attempt = attempt
    this.#breakers = breakers
    this.#permit = permit
  }

  get headers(): Record<string, string> {
    this.#headers ??= { ...this.call.headers }
    return this.#headers
  }

  /** The header fields by name, if they were accessed. */
  get changedHeaders(): Record<string, string> | undefined {
    return this.#headers ?? this.call.changedHeaders
  }

  get replayable(): boolean {
    return this.call.request.replayable
  }

  get sent(): boolean {
    return this.exchange?.sent === true || this.#earlier?.some(({ sent }) => sent) === true
  }

  get response(): ServiceResponse | undefined {
    return this.exchange?.response
  }

  get status(): number | undefined {
    return this.exchange?.status
  }

  /** Runs the attempt. Its result is in `result` or `error` afterwards. */
  run(time: AttemptTime | undefined): Promise<void> {
    this.#time = time
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (this.call.entry.attemptInterceptors.length === 0) this.#send(this)
      else void this.#proceed()
    })
  }

  /** The attempt produced a response. */
  onResponse(response: CallResponse): void {
    this.result = response
    this.#end()
  }

  /** The attempt failed. */
  onFailure(error: unknown): void {
    this.error ??= toSdError(error, 'SD_UNAVAILABLE', `Calling ${this.call.service}`)
    this.#end()
  }

  /** Whether it was given up only because the retry budget had paid for another one. */
  get isReplacementPaid(): boolean {
    return this.error?.code === 'SD_TIMEOUT' && this.#time?.onlyForAnother === true
  }

  /** Ends the attempt in any phase. */
  stop(error: SdError): void {
    this.#stopped ??= error
    if (!this.exchange) this.#permit?.settle({ ok: true, error: unsent })
    this.exchange?.stop(error)
    for (const exchange of this.#earlier ?? []) exchange.stop(error)
  }

  /** Ends the attempt because another one was faster. The endpoint learns the time so far as its minimum. */
  lose(error: SdError): void {
    this.exchange?.noteLatency()
    this.stop(error)
  }

  /** Drops its response. */
  drop(): void {
    this.stop(new SdError('SD_ABORTED', 'Another response was used'))
  }

  /**
   * Whether the limit derives from the call: the call set it, or set a shorter time limit than the service, which the
   * limit is a part of.
   */
  get #isLimitOfCall(): boolean {
    const { deadlineAt, startedAt, entry, init } = this.call
    if (init.attemptTimeoutMs !== undefined) return true
    const { attemptTimeoutMs: setting, timeoutMs } = entry.settings
    if (typeof setting === 'number') return false
    const totalMs = deadlineAt - startedAt
    return totalMs !== Number.POSITIVE_INFINITY && !isOwnLimit(totalMs, timeoutMs)
  }

  /** An exchange has reached its limit. */
  onLimit(exchange: Exchange): void {
    const { limitMs = 0, onlyForAnother = false } = this.#time ?? {}
    if (onlyForAnother && !(this.#owner.hasOther(this.endpoint) && mayAfford(this.call))) return
    // If the limit derives from the call and is shorter than the usual time, it says nothing about the endpoint. The
    // attempt is repeated all the same.
    if (this.#isLimitOfCall && !isFairTime(limitMs, exchange.usualMs)) exchange.origin = 'caller'
    exchange.stop(new SdError('SD_TIMEOUT', `No response within ${Math.round(limitMs)} ms`))
  }

  /** An exchange ended. */
  exchangeEnded(exchange: Exchange): void {
    if (exchange === this.exchange) this.#owner.exchangeEnded(exchange)
  }

  async #proceed(): Promise<void> {
    try {
      this.onResponse(await runChain(this.call.entry.attemptInterceptors, this, (taker) => this.#send(taker)))
    } catch (error) {
      this.onFailure(error)
    }
  }

  /** Implements `next()` of the innermost interceptor. It may be called again, also concurrently. */
  #send(taker: ResponseTaker): void {
    try {
      this.#startExchange().send(this.#time, taker)
    } catch (error) {
      taker.onFailure(error)
    }
  }

  #startExchange(): Exchange {
    const refusal = this.#stopped ?? this.call.stopped ?? this.#checkBody()
    if (refusal) throw refusal
    let permit = this.#permit
    const before = this.exchange
    if (before) {
      before.dropUnread()
      permit = this.#breakers?.tryAcquire(this.endpoint)
      if (this.#breakers && !permit) {
        const { name } = this.#breakers.of(this.endpoint)
        this.#owner.noteRefusal('instance-breaker', name, this.endpoint)
        throw new SdError('SD_REJECTED', `${name} rejected a repetition of the attempt`)
      }
      this.#earlier ??= []
      this.#earlier.push(before)
    }
    this.exchange = new Exchange(this, permit)
    return this.exchange
  }

  #checkBody(): SdError | undefined {
    if (!this.call.isBodyUsed) return undefined
    return new SdError('SD_INVALID', 'The request body can be read only once and was already sent', { field: 'body' })
  }

  /** The interceptors have ended: exchanges whose response they did not return are dropped, and `next()` has no effect. */
  #end(): void {
    if (!this.exchange) this.#permit?.settle({ ok: true, error: unsent })
    else if (this.#earlier || !this.result || !this.exchange.response) this.#chooseExchange(this.exchange)
    this.#stopped ??= over
    this.#resolve?.()
  }

  #chooseExchange(last: Exchange): void {
    const all = [...(this.#earlier ?? []), last]
    const { result } = this
    const chosen = result
      ? (all.find(({ response }) => response && (response === result || response.body === result.body)) ??
        all.findLast(({ response }) => response !== undefined))
      : last
    for (const exchange of all) if (exchange !== chosen || !result) exchange.stop(this.error ?? over)
    this.exchange = chosen
  }
}

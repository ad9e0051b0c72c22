import {
  abortError,
  type CallPriority,
  type CallResponse,
  hasTelemetrySubscribers,
  publishTelemetry,
  type RequestBody,
  SdError,
  toSdError,
} from '@sd/core'
import type { Exchange } from '../attempt/exchange.ts'
import type { ForwardParts } from '../forward/forward-parts.ts'
import { type PreparedBody, prepareBody } from '../message/request-body.ts'
import { ServiceResponse } from '../message/service-response.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import { CallDeadline } from './call-deadline.ts'
import type { LimitedExchange } from './call-frame.ts'
import type { CallInit } from './call-init.ts'
import { CallRound, chooseRound, type RoundOwner } from './call-round.ts'
import { publishCallEnd } from './call-telemetry.ts'
import { type CallTaker, type ResponseTaker, runChain } from './interceptors.ts'
import type { OpenCall } from './open-calls.ts'
import { addOwnFields } from './own-fields.ts'

/** Time that a fallback or an interceptor has to return a response after the deadline, in milliseconds. */
const graceMs = 50

/**
 * One logical call, from its start until the body of its response has ended. From the outside in: deadline,
 * interceptors, then a {@link CallRound} for each of their `next()`. {@link Call.stop} ends it, whatever it waits for.
 * The promise that {@link Call.run} returned is settled only here.
 */
export class Call implements RoundOwner, ResponseTaker, OpenCall {
  previous: OpenCall | undefined
  next: OpenCall | undefined
  readonly init: CallInit
  readonly service: string
  readonly method: string
  path: string
  body: RequestBody | undefined
  deadlineAt: number
  readonly startedAt: number
  readonly entry: ServiceEntry
  readonly forward: ForwardParts | undefined
  readonly priority: CallPriority | undefined
  /** Attempts so far. */
  attempts = 0
  /** Why the call was stopped: deadline, caller, client closed. */
  stopped: SdError | undefined
  firstExchange: Exchange | undefined
  /** Whether a body that can be read only once was sent to a peer. */
  #isBodyUsed = false
  #abortListener: (() => void) | undefined
  #headers: Record<string, string> | undefined
  #controller: AbortController | undefined
  #deadline: CallDeadline | undefined
  /** Ends the time for a fallback or an interceptor after the deadline. */
  #graceTimer: ReturnType<typeof setTimeout> | undefined
  #prepared: PreparedBody | undefined
  #preparedFrom: RequestBody | undefined
  /** The round that the interceptors' `next()` started last, nearly always the only one. */
  #round: CallRound | undefined
  #earlier: CallRound[] | undefined
  /** The exchange whose response the caller has, while its body is incomplete. */
  #exchange: Exchange | undefined
  #status: number | undefined
  #finished = false
  #handedOut = false
  /** Absent until the call runs. */
  #taker: CallTaker | undefined

  constructor(init: CallInit) {
    this.init = init
    this.startedAt = init.startedAt ?? performance.now()
    this.service = init.entry.service
    this.method = init.method
    this.path = init.path
    this.forward = init.forward
    this.#headers = init.forward ? undefined : init.headers
    this.body = init.body
    this.deadlineAt = init.deadlineAt
    this.entry = init.entry
    this.priority = init.priority
    addOwnFields(this, init)
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.stopped) this.#controller.abort(this.stopped)
    }
    return this.#controller.signal
  }

  get headers(): Record<string, string> {
    this.#headers ??= { ...this.forward?.raw.record }
    return this.#headers
  }

  /** The value of a field, by its name in lower case. A forwarded call makes no record of its fields for it. */
  header(name: string): string | undefined {
    return this.#headers ? this.#headers[name] : this.forward?.raw.get(name)
  }

  get changedHeaders(): Record<string, string> | undefined {
    return this.#headers
  }

  get isBodyUsed(): boolean {
    return this.#isBodyUsed || this.forward?.pushed?.isDropped === true
  }

  set isBodyUsed(isUsed: boolean) {
    this.#isBodyUsed = isUsed
  }

  /** The exchange whose response the caller has. */
  get exchange(): Exchange | undefined {
    return this.#exchange
  }

  /** The body, ready to be sent, after changes by interceptors. @throws SdError `SD_INVALID` if it can't be sent */
  get request(): PreparedBody {
    if (!this.#prepared || this.#preparedFrom !== this.body) {
      const pushed = this.body === undefined ? this.forward?.pushed : undefined
      this.#prepared = pushed ?? prepareBody(this.body)
      this.#preparedFrom = this.body
      this.#isBodyUsed = false
      const { contentType, length } = this.#prepared
      if (length !== undefined) this.headers['content-length'] = String(length)
      if (contentType !== undefined) this.headers['content-type'] ||= contentType
    }
    return this.#prepared
  }

  /** Runs the call. @throws SdError as documented at `ServiceClient.request` */
  run(): Promise<ServiceResponse> {
    return new Promise((onResponse, onFailure) => this.start({ onResponse, onFailure }))
  }

  /** Runs the call. The taker may be called synchronously. */
  start(taker: CallTaker): void {
    if (hasTelemetrySubscribers('sd:v1:call:start')) publishTelemetry('sd:v1:call:start', { call: this })
    this.init.openCalls.add(this)
    this.entry.enter()
    this.#taker = taker
    if (this.stopped) {
      this.#fail(this.stopped)
      return
    }
    this.#startWatching()
    if (this.stopped) return
    const { callInterceptors, policies } = this.entry
    policies.budget.deposit(this.startedAt)
    if (callInterceptors.length === 0) this.#startRound(this)
    else void this.#proceed()
  }

  /** Ends the call in any phase. */
  stop(error: SdError): void {
    if (this.stopped || this.#finished) return
    this.stopped = error
    if (!this.#taker) return
    if (this.#handedOut) {
      this.#exchange?.stop(error)
      return
    }
    let mayRespond = this.entry.callInterceptors.length > 0 || this.entry.policies.fallback !== undefined
    for (const round of this.#rounds) if (round.stop(error)) mayRespond = true
    this.#controller?.abort(error)
    if (error.code !== 'SD_DEADLINE_EXCEEDED' || !mayRespond || !this.#round) this.#fail(error)
    else if (!this.#finished) this.#graceTimer = setTimeout(() => this.#fail(error), graceMs)
  }

  /** An exchange ended. If the caller has its response, the call has ended too. */
  exchangeEnded(exchange: Exchange): void {
    if (this.#handedOut && exchange === this.#exchange) this.#finish(exchange.error)
  }

  async #proceed(): Promise<void> {
    try {
      this.onResponse(await runChain(this.entry.callInterceptors, this, (taker) => this.#startRound(taker)))
    } catch (error) {
      this.onFailure(error)
    }
  }

  /** Implements `next()` of the innermost interceptor. It may be called again, also concurrently. */
  #startRound(taker: ResponseTaker): void {
    if (this.stopped) {
      taker.onFailure(this.stopped)
      return
    }
    if (this.#handedOut || this.#finished) {
      taker.onFailure(new SdError('SD_ABORTED', 'The call has ended'))
      return
    }
    if (this.#round) {
      for (const round of this.#rounds) round.dropUnread()
      this.#earlier ??= []
      this.#earlier.push(this.#round)
    }
    this.#round = new CallRound(this)
    this.#round.run(taker)
  }

  get #rounds(): readonly CallRound[] {
    if (!this.#round) return []
    return this.#earlier ? [...this.#earlier, this.#round] : [this.#round]
  }

  onFailure(error: unknown): void {
    this.#fail(toSdError(error, 'SD_UNAVAILABLE', `Calling ${this.service}`))
  }

  onResponse(response: CallResponse): void {
    if (this.#finished) return
    this.#handedOut = true
    this.#status = response.status
    const chosen = this.#earlier ? chooseRound(this.#rounds, response) : this.#round
    const exchange = chosen?.keep()
    const { attempts } = this
    const { maxResponseBytes } = this.init
    this.#exchange = exchange
    if (!exchange?.isOpen) this.#finish(undefined)
    else if (this.stopped) exchange.stop(this.stopped)
    this.#taker?.onResponse(
      response instanceof ServiceResponse ? response : new ServiceResponse({ ...response, attempts, maxResponseBytes }),
    )
  }

  #fail(failure: SdError): void {
    if (this.#finished) return
    const error = this.stopped ?? failure
    for (const round of this.#rounds) round.stop(error)
    this.#finish(error)
    this.#taker?.onFailure(error)
  }

  #startWatching(): void {
    const { signal } = this.init
    if (signal) {
      if (signal.aborted) this.#onAbort()
      else {
        this.#abortListener = () => this.#onAbort()
        signal.addEventListener('abort', this.#abortListener, { once: true })
      }
    }
    if (this.stopped || this.deadlineAt === Number.POSITIVE_INFINITY) return
    this.#deadline = new CallDeadline(this)
    this.#deadline.start()
  }

  watchLimit(exchange: LimitedExchange, limitAt: number): boolean {
    return this.#deadline?.watchLimit(exchange, limitAt) ?? false
  }

  /** Moves the deadline; `Infinity` removes it. */
  moveDeadline(deadlineAt: number): void {
    if (this.#finished || deadlineAt === this.deadlineAt) return
    const isEarlier = deadlineAt < this.deadlineAt
    this.deadlineAt = deadlineAt
    if (!this.#taker) return
    if (!this.#deadline && deadlineAt === Number.POSITIVE_INFINITY) return
    this.#deadline ??= new CallDeadline(this)
    this.#deadline.move(isEarlier)
  }

  /** The deadline has passed. */
  onDeadline(): void {
    if (this.#finished) return
    if (this.forward) {
      const error = this.forward.onDeadline()
      if (error) this.stop(error)
      return
    }
    const afterMs = Math.max(0, Math.round(this.deadlineAt - this.startedAt))
    // The service is to blame only if it had the time that it usually takes.
    const origin = this.firstExchange?.judgeDeadline() ?? 'caller'
    this.stop(new SdError('SD_DEADLINE_EXCEEDED', `Calling ${this.service} took longer than ${afterMs} ms`, { origin }))
  }

  #onAbort(): void {
    this.stop(abortError(this.init.signal as AbortSignal, `Calling ${this.service}`))
  }

  #finish(error: SdError | undefined): void {
    if (this.#finished) return
    this.#finished = true
    this.init.openCalls.delete(this)
    this.#deadline?.stop()
    if (this.#graceTimer) clearTimeout(this.#graceTimer)
    if (this.#abortListener) this.init.signal?.removeEventListener('abort', this.#abortListener)
    const status = this.#exchange?.status ?? this.#status
    publishCallEnd(this, { status, grpcStatus: this.#exchange?.grpcStatus, error, attempts: this.attempts })
    const { service, method, path } = this
    this.init.recorder?.finish({ service, method, path, status, error })
    this.entry.leave()
  }
}

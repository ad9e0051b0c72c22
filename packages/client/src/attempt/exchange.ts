import type { Duplex } from 'node:stream'
import {
  deadlineOrigin,
  type Endpoint,
  type HeaderFields,
  type Outcome,
  type OutcomeOrigin,
  originOf,
  type Permit,
  type ResponseVerdict,
  readServerDelay,
  readStandstillMs,
  SdError,
} from '@sd/core'
import { publishAttemptEnd } from '../call/call-telemetry.ts'
import type { ResponseTaker } from '../call/interceptors.ts'
import { type BodySource, ResponseBody } from '../message/response-body.ts'
import { ServiceResponse } from '../message/service-response.ts'
import type { TransportExchange, TransportHandler } from '../transport/transport.ts'
import { toTransportFailure } from '../transport/transport-errors.ts'
import type { AttemptTime } from './attempt-time.ts'
import { ExchangeLimit } from './exchange-limit.ts'
import { type RequestOwner, toTransportRequest } from './exchange-request.ts'
import { verdictOf } from './verdict.ts'

/** The attempt that an exchange is part of. */
export interface ExchangeOwner extends RequestOwner {
  readonly endpoint: Endpoint
  /** Number of the attempt, from 1. */
  readonly attempt: number
  /** The limit until the head of the response has passed. */
  onLimit(exchange: Exchange): void
  /** It ended. */
  exchangeEnded(exchange: Exchange): void
}

/**
 * One request to one endpoint, and its response. A single object serves as handler for the transport, outcome for the
 * endpoint and for the instance's breaker, and source of the body.
 */
export class Exchange implements Outcome, TransportHandler, BodySource {
  readonly attempt: ExchangeOwner
  readonly endpoint: Endpoint
  response: ServiceResponse | undefined
  error: SdError | undefined
  /** Origin of the error, if it differs between the exchange and the call. */
  origin: OutcomeOrigin | undefined
  sent = false
  /** Socket of an upgrade. */
  socket: Duplex | undefined
  latencyMs: number | undefined
  readonly startedAt: number = performance.now()
  /** Permit of the instance's breaker. */
  readonly #permit: Permit | undefined
  /** The limit, unless the call watches it. */
  #ownLimit: ExchangeLimit | undefined
  #limitMs = 0
  /** Result of {@link readStandstillMs} at the start. */
  #standstillMs = 0
  #exchange: TransportExchange | undefined
  #body: ResponseBody | undefined
  #settled = false
  /** The verdict on the response at its end. */
  #verdict: ResponseVerdict | undefined
  #taker: ResponseTaker | undefined

  constructor(attempt: ExchangeOwner, permit: Permit | undefined) {
    this.attempt = attempt
    this.endpoint = attempt.endpoint
    this.#permit = permit
  }

  /** Only a forwarded request passes them on. */
  get ignoresExtras(): boolean {
    return this.attempt.call.forward === undefined
  }

  get status(): number | undefined {
    return this.#verdict?.status ?? this.response?.status
  }

  get ok(): boolean {
    return this.error === undefined && this.#verdict?.ok !== false
  }

  /** gRPC status of a gRPC response. */
  get grpcStatus(): number | undefined {
    return this.#verdict?.grpcStatus
  }

  /** Delay that a 429 or 503 requests. */
  get retryAfterMs(): number | undefined {
    const { response } = this
    if (this.#verdict?.retryAfterMs !== undefined) return this.#verdict.retryAfterMs
    if (!response || (response.status !== 429 && response.status !== 503)) return undefined
    const delayMs = readServerDelay(response.headers)
    return delayMs === undefined || delayMs < 0 ? undefined : delayMs
  }

  /** Origin of a deadline that passed during this exchange. */
  judgeDeadline(): OutcomeOrigin {
    const { call } = this.attempt
    const { settings } = call.entry
    const elapsedMs = performance.now() - this.startedAt
    return deadlineOrigin({ elapsedMs, usualMs: this.usualMs, ownLimitMs: settings.timeoutMs })
  }

  /**
   * Usual time of such requests, in milliseconds. Infinite before the first response: then only the service's own limit
   * is fair, because the times of other requests can't be used.
   */
  get usualMs(): number {
    const { call } = this.attempt
    return Math.max(call.entry.usualTimes.of(call) ?? Number.POSITIVE_INFINITY, this.endpoint.usualMs)
  }

  /** Arrival of the head of the response, by `performance.now()`. */
  get respondedAt(): number | undefined {
    return this.response && this.latencyMs !== undefined ? this.startedAt + this.latencyMs : undefined
  }

  /** Whether it is still in progress. */
  get isOpen(): boolean {
    return !this.#settled
  }

  /** Whether it still waits for the response. */
  get isWaiting(): boolean {
    return !this.#settled && this.response === undefined
  }

  /**
   * Sends the request. @param time limit for the head of the response; absent for no limit of its own @param taker
   * receives the head
   */
  send(time: AttemptTime | undefined, taker: ResponseTaker): void {
    const { call } = this.attempt
    const { endpoint } = this
    if (time) {
      this.#limitMs = time.limitMs
      this.#standstillMs = readStandstillMs(this.startedAt)
      const limitAt = this.startedAt + time.limitMs
      if (!call.watchLimit(this, limitAt)) this.#ownLimit = new ExchangeLimit(this, limitAt, call.entry.due.limits)
    }
    call.firstExchange ??= this
    endpoint.acquire()
    this.#taker = taker
    const { forward, request } = call
    const isPushed = forward?.pushed !== undefined && request.body === null
    this.#exchange = call.init.transport.send(endpoint, toTransportRequest(this.attempt, this.startedAt, isPushed), this)
    if (isPushed) forward.pushed?.attach(this.#exchange)
  }

  /** Header fields of the response, names and values in turn as received. */
  get rawHeaders(): readonly string[] {
    return this.#exchange?.rawHeaders ?? []
  }

  /** Trailer fields of the response, once it has ended, names and values in turn as received. */
  get rawTrailers(): readonly string[] {
    return this.#exchange?.rawTrailers ?? []
  }

  /** The limit has passed, unless this process stalled in the meantime: that time is not charged. */
  onLimit(): void {
    const now = performance.now()
    const standstillMs = readStandstillMs(now) - this.#standstillMs
    const leftMs = this.startedAt + this.#limitMs + standstillMs - now
    if (standstillMs > 0 && leftMs >= 1)
      this.#ownLimit = new ExchangeLimit(this, now + leftMs, this.attempt.call.entry.due.limits)
    else this.attempt.onLimit(this)
  }

  /** Ends the exchange in any phase. */
  stop(error: SdError): void {
    if (this.#settled) return
    this.#exchange?.abort(error)
    this.socket?.destroy(error)
    // Also if a transport does not report its end at once.
    this.onError(error)
  }

  /** Ends the exchange if its response arrived but reading has not begun. A complete body can still be read. */
  dropUnread(): void {
    if (!this.#settled && this.#body && !this.#body.isUsed) this.stop(new SdError('SD_ABORTED', 'The request was sent again'))
  }

  /** It took at least this long. */
  noteLatency(): void {
    this.latencyMs ??= performance.now() - this.startedAt
  }

  onSend(): void {
    this.sent = true
    const { call } = this.attempt
    if (!call.request.replayable) call.isBodyUsed = true
    call.forward?.pushed?.noteSent()
  }

  onInformation(status: number): void {
    if (!this.#settled) this.attempt.call.forward?.onInformation(status, this.rawHeaders)
  }

  onDrain(): void {
    if (!this.#settled) this.attempt.call.forward?.onDrain()
  }

  onUpgrade(status: number, headers: HeaderFields, socket: Duplex): void {
    // Without a listener an error would end the process before the caller has the socket.
    socket.on('error', () => undefined)
    if (this.#settled) {
      socket.destroy()
      return
    }
    this.socket = socket
    // What came with the head is in its buffer.
    const before = receivedBy(socket) - socket.readableLength
    socket.once('close', () => {
      // A connection that the instance resets before anything came back was of no use.
      if (socket.errored && receivedBy(socket) === before) this.onError(toTransportFailure(socket.errored).error)
      else this.onEnd()
    })
    this.onResponse(status, headers, '')
  }

  onResponse(status: number, headers: HeaderFields, statusText: string): void {
    if (this.#settled) return
    const now = performance.now()
    this.latencyMs = now - this.startedAt
    this.#ownLimit?.stop()
    this.#body = new ResponseBody(this)
    const { endpoint, attempt } = this
    endpoint.responded(now)
    const { attempts, entry, init } = attempt.call
    const { maxResponseBytes } = init
    entry.attached.responded?.(endpoint, headers)
    this.response = new ServiceResponse({ status, headers, statusText, body: this.#body, endpoint, attempts, maxResponseBytes })
    if (status < 500) {
      entry.policies.attemptLimit?.learn(this.latencyMs, attempt.call, now)
      entry.usualTimes.learn(attempt.call, this.latencyMs, now)
    }
    this.#taker?.onResponse(this.response)
  }

  onData(chunk: Uint8Array): boolean {
    if (this.#settled) return true
    return this.#body?.push(chunk) ?? true
  }

  onEnd(): void {
    if (this.#settled) return
    this.#body?.end()
    this.#settle()
  }

  onError(error: SdError, wasSent: boolean = this.sent): void {
    if (this.#settled) return
    this.sent = wasSent
    if (!wasSent) this.attempt.call.isBodyUsed = false
    const { service, id } = this.endpoint.instance
    const isOwn = error === this.attempt.call.stopped || error.code === 'SD_ABORTED' || error.code === 'SD_TOO_LARGE'
    const { code, retryable, cause } = error
    if (code === 'SD_DEADLINE_EXCEEDED') this.origin = this.judgeDeadline()
    this.error = isOwn
      ? error
      : new SdError(code, `Calling ${service} (${id}) failed: ${error.message}`, {
          retryable,
          cause: cause ?? error,
          origin: originOf(error),
        })
    this.#body?.fail(this.error)
    this.#settle()
    if (!this.#body) this.#taker?.onFailure(this.error)
  }

  resume(): void {
    this.#exchange?.resume()
  }

  cancel(error: SdError): void {
    this.stop(error)
  }

  #settle(): void {
    this.#settled = true
    this.#ownLimit?.stop()
    const { forward } = this.attempt.call
    if (forward?.pushed && this.#exchange) forward.pushed.detach(this.#exchange)
    const { response } = this
    if (response) {
      this.#verdict = forward && !this.error ? forward.judge(response, this) : verdictOf(response.status >= 500)
    }
    this.endpoint.release(this)
    this.#permit?.settle(this)
    publishAttemptEnd(this.attempt, this)
    this.attempt.exchangeEnded(this)
  }
}

/** Bytes that came on a connection; of a stream without a count, whether there were any. */
function receivedBy(stream: Duplex): number {
  if ('bytesRead' in stream) return Number(stream.bytesRead)
  return stream.readableDidRead ? 1 : 0
}

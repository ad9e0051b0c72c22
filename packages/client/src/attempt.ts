import {
  type AttemptContext,
  type AttemptResult,
  attemptEndChannel,
  type CallResponse,
  deadlineOrigin,
  type Endpoint,
  type HeaderFields,
  hasTelemetrySubscribers,
  type Outcome,
  type OutcomeOrigin,
  originOf,
  type Permit,
  publishTelemetry,
  SdError,
} from '@sd/core'
import type { Call } from './call.ts'
import { DEADLINE_HEADER } from './deadline.ts'
import { type BodySource, ResponseBody } from './response-body.ts'
import { ServiceResponse } from './service-response.ts'
import type { TransportExchange, TransportHandler } from './transport.ts'

/** Says nothing about the endpoint. */
const unsent = new SdError('SD_ABORTED', 'The attempt was not sent')

/**
 * One attempt of a call on one endpoint, in one object that is everything that others see of it: context for interceptors, result for
 * the retry policy, outcome for the endpoint, handler for the transport.
 */
export class Attempt implements AttemptContext, AttemptResult, Outcome, TransportHandler, BodySource {
  readonly call: Call
  readonly endpoint: Endpoint
  readonly attempt: number
  readonly headers: Record<string, string>
  response: ServiceResponse | undefined
  error: SdError | undefined
  /** Whose doing the error was, if that is not the same for the attempt as for the call. */
  origin: OutcomeOrigin | undefined
  /** What the interceptors made of the response; absent if it failed. */
  answer: CallResponse | undefined
  sent = false
  latencyMs: number | undefined
  readonly #startedAt: number = performance.now()
  /** Of the instance's breaker. */
  readonly #permit: Permit | undefined
  #stopped: SdError | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #exchange: TransportExchange | undefined
  #body: ResponseBody | undefined
  #settled = false
  #resolve: ((response: CallResponse) => void) | undefined
  #reject: ((error: SdError) => void) | undefined

  constructor(call: Call, endpoint: Endpoint, { attempt, permit }: { attempt: number; permit: Permit | undefined }) {
    this.call = call
    this.endpoint = endpoint
    this.attempt = attempt
    this.#permit = permit
    this.headers = { ...call.headers }
  }

  get replayable(): boolean {
    return this.call.request.replayable
  }

  get status(): number | undefined {
    return this.response?.status
  }

  get ok(): boolean {
    return this.error === undefined && (this.response === undefined || this.response.status < 500)
  }

  /** Whose doing it is that the deadline came during this attempt. */
  judgeDeadline(): OutcomeOrigin {
    const elapsedMs = performance.now() - this.#startedAt
    return deadlineOrigin({ elapsedMs, usualMs: this.endpoint.usualMs, ownLimitMs: this.call.ownLimitMs })
  }

  /** Whether the exchange is still going on. */
  get isOpen(): boolean {
    return this.#exchange !== undefined && !this.#settled
  }

  /** Sends the request; resolves with the head of the answer. */
  send(): Promise<CallResponse> {
    const { call, endpoint, headers } = this
    const stopped = call.stopped ?? this.#stopped
    if (stopped) return Promise.reject(stopped)
    if (call.deadlineAt !== Number.POSITIVE_INFINITY) {
      headers[DEADLINE_HEADER] = String(Math.max(1, Math.floor(call.deadlineAt - performance.now())))
    }
    if (call.attemptTimeoutMs > 0) this.#timer = setTimeout(onTimeout, call.attemptTimeoutMs, this)
    endpoint.acquire()
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      const { method, path, request } = call
      this.#exchange = call.transport.send(endpoint, { method, path, headers, body: request.body }, this)
    })
  }

  /** Ends the exchange, whatever phase it is in. */
  stop(error: SdError): void {
    this.#stopped ??= error
    this.#exchange?.abort(error)
  }

  /** Ends it because another attempt was faster. The endpoint learns how long it took at least. */
  lose(error: SdError): void {
    this.latencyMs ??= performance.now() - this.#startedAt
    this.stop(error)
  }

  /** Gives the permit back if nothing was sent: the interceptors answered or failed before. */
  endUnsent(): void {
    if (!this.#exchange) this.#permit?.settle({ ok: true, error: unsent })
  }

  onSend(): void {
    this.sent = true
  }

  onResponse(status: number, headers: HeaderFields): void {
    this.latencyMs = performance.now() - this.#startedAt
    clearTimeout(this.#timer)
    this.#body = new ResponseBody(this)
    const { endpoint } = this
    const { attempts, maxResponseBytes } = this.call
    this.response = new ServiceResponse({ status, headers, body: this.#body, endpoint, attempts, maxResponseBytes })
    this.#resolve?.(this.response)
  }

  onData(chunk: Uint8Array): boolean {
    return this.#body?.push(chunk) ?? true
  }

  onEnd(): void {
    this.#body?.end()
    this.#settle()
  }

  onError(error: SdError, wasSent: boolean = this.sent): void {
    this.sent = wasSent
    const { service, id } = this.endpoint.instance
    const isOwn = error === this.call.stopped || error.code === 'SD_ABORTED' || error.code === 'SD_TOO_LARGE'
    const { code, retryable, cause } = error
    if (code === 'SD_DEADLINE_EXCEEDED') this.origin = this.judgeDeadline()
    this.error = isOwn
      ? error
      : new SdError(code, `Calling ${service} (${id}) failed: ${error.message}`, {
          retryable,
          cause: cause ?? error,
          origin: originOf(error),
        })
    if (this.#body) this.#body.fail(this.error)
    else this.#reject?.(this.error)
    this.#settle()
  }

  resume(): void {
    this.#exchange?.resume()
  }

  cancel(error: SdError): void {
    this.stop(error)
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.endpoint.release(this)
    this.#permit?.settle(this)
    if (hasTelemetrySubscribers(attemptEndChannel)) this.#publish()
    this.call.attemptEnded(this)
  }

  #publish(): void {
    const { call, endpoint, status, error, latencyMs, attempt: attempts } = this
    const durationMs = performance.now() - this.#startedAt
    const { id: instanceId } = endpoint.instance
    publishTelemetry(attemptEndChannel, {
      call,
      status,
      error,
      durationMs,
      attempts,
      instanceId,
      origin: endpoint.origin,
      latencyMs,
    })
  }
}

function onTimeout(attempt: Attempt): void {
  attempt.stop(new SdError('SD_TIMEOUT', `No answer within ${attempt.call.attemptTimeoutMs} ms`))
}

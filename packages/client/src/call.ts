import {
  abortError,
  type CallContext,
  type CallResponse,
  callEndChannel,
  callFallbackChannel,
  callHedgeChannel,
  callRefusedChannel,
  callRetryChannel,
  callStartChannel,
  type Endpoint,
  type HedgePolicy,
  hasTelemetrySubscribers,
  type OutcomeOrigin,
  type Permit,
  type PickRequest,
  publishTelemetry,
  type RefusingPolicy,
  SdError,
  sleep,
  type TelemetryCall,
  toSdError,
} from '@sd/core'
import { admit } from './admission.ts'
import { Attempt } from './attempt.ts'
import type { CallRecorder } from './explanation.ts'
import type { CallFailure, Fallback } from './fallback.ts'
import { runChain } from './interceptors.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'
import type { PreparedBody } from './request-body.ts'
import type { ServiceEntry } from './service-entries.ts'
import { ServiceResponse } from './service-response.ts'
import type { Transport } from './transport.ts'

/** What a call is made of. */
export interface CallInit {
  /** The service, with its cluster, settings and policies. */
  readonly entry: ServiceEntry
  /** Sends requests. */
  readonly transport: Transport
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
  /** HTTP method in upper case. */
  readonly method: string
  /** Path with query. */
  readonly path: string
  /** Header fields, names in lower case. */
  readonly headers: Record<string, string>
  /** The body. */
  readonly request: PreparedBody
  /** When the call must have ended, by `performance.now()`; `Infinity` for never. */
  readonly deadlineAt: number
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
  /** What consistent hashing hashes. */
  readonly hashKey?: string | undefined
  /** Most bytes that are read of the answer as a whole. */
  readonly maxResponseBytes: number
  /** Takes notes, if somebody wants them. */
  readonly recorder?: CallRecorder | undefined
}

/**
 * One logical call. Outside in: deadline, interceptors, fallback, rate limit, concurrency limit, the service's breaker, retry and hedge; then
 * each attempt. It watches the time until the body of the answer that was handed out has ended, and settles its permits then.
 */
export class Call implements CallContext, PickRequest, TelemetryCall, OpenCall {
  readonly service: string
  readonly method: string
  path: string
  readonly headers: Record<string, string>
  readonly deadlineAt: number
  readonly hashKey: string | undefined
  readonly startedAt: number = performance.now()
  readonly request: PreparedBody
  readonly transport: Transport
  readonly maxResponseBytes: number
  /** Time limit of each attempt in milliseconds; 0 for none. */
  readonly attemptTimeoutMs: number
  /** The service's time limit in milliseconds; 0 for none. A call's own limit can be shorter. */
  readonly ownLimitMs: number
  /** Attempts so far. */
  attempts = 0
  /** Why the call was stopped, by deadline or caller. */
  stopped: SdError | undefined
  attempted: Endpoint[] | undefined
  readonly #entry: ServiceEntry
  readonly #openCalls: OpenCalls
  readonly #callerSignal: AbortSignal | undefined
  readonly #recorder: CallRecorder | undefined
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The attempt whose answer counts, or that is under way. */
  #attempt: Attempt | undefined
  #first: Attempt | undefined
  /** Of the concurrency limit and of the service's breaker. */
  #permits: Permit[] | undefined
  /** From start to the head of the answer, in milliseconds. */
  #latencyMs: number | undefined
  #status: number | undefined
  #wasRefused = false
  #handedOut = false
  #finished = false

  constructor(init: CallInit) {
    this.service = init.entry.service
    this.method = init.method
    this.path = init.path
    this.headers = init.headers
    this.deadlineAt = init.deadlineAt
    this.hashKey = init.hashKey
    this.request = init.request
    this.transport = init.transport
    this.maxResponseBytes = init.maxResponseBytes
    this.attemptTimeoutMs = init.entry.settings.attemptTimeoutMs
    this.ownLimitMs = init.entry.settings.timeoutMs
    this.#entry = init.entry
    this.#openCalls = init.openCalls
    this.#callerSignal = init.signal
    this.#recorder = init.recorder
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.stopped) this.#controller.abort(this.stopped)
    }
    return this.#controller.signal
  }

  /** Makes the call. @throws SdError as documented at `ServiceClient.request` */
  async run(): Promise<ServiceResponse> {
    if (hasTelemetrySubscribers(callStartChannel)) publishTelemetry(callStartChannel, { call: this })
    let error: SdError | undefined
    this.#entry.enter()
    this.#openCalls.add(this)
    try {
      this.#startWatching()
      const { policies, callInterceptors } = this.#entry
      const { fallback, budget } = policies
      budget?.deposit()
      const inner = (): Promise<CallResponse> => (fallback ? this.#answerAnyway(fallback) : this.#admit())
      const response = callInterceptors.length === 0 ? await inner() : await runChain(callInterceptors, this, inner)
      this.#handedOut = true
      this.#status = response.status
      return this.#toServiceResponse(response)
    } catch (caught) {
      error = this.stopped ?? toSdError(caught, 'SD_UNAVAILABLE', `Calling ${this.service}`)
      this.#attempt?.stop(error)
      throw error
    } finally {
      if (error || !this.#attempt?.isOpen) this.#finish(error)
    }
  }

  /** Ends the call wherever it is. */
  stop(error: SdError): void {
    if (this.stopped || this.#finished) return
    this.stopped = error
    this.#attempt?.stop(error)
    this.#controller?.abort(error)
  }

  /** Whose doing it is that the deadline is over: the service's only if it had the time that it usually takes. */
  judgeDeadline(): OutcomeOrigin {
    return this.#first?.judgeDeadline() ?? 'caller'
  }

  /** An attempt's exchange ended; if its answer was handed out, so has the call. */
  attemptEnded(attempt: Attempt): void {
    if (this.#handedOut && attempt === this.#attempt) this.#finish(attempt.error)
  }

  /** The answer, or what the fallback gives instead. */
  async #answerAnyway(fallback: Fallback): Promise<CallResponse> {
    let failure: CallFailure
    let response: CallResponse | undefined
    try {
      response = await this.#admit()
      if (response.status < 500) {
        fallback.remember?.(this, response, this.#attempt?.headers ?? this.headers)
        return response
      }
      const { status } = response
      failure = { error: new SdError('SD_HTTP_STATUS', `${this.service} answered ${status}`, { retryable: true }), status }
    } catch (caught) {
      const error = this.stopped ?? toSdError(caught, 'SD_UNAVAILABLE', `Calling ${this.service}`)
      if (error.code === 'SD_ABORTED') throw error
      failure = { error }
    }
    const instead = await fallback.answer(failure, this)
    if (!instead) {
      if (response) return response
      throw failure.error
    }
    const { error } = failure
    this.#settlePermits(error)
    this.#attempt?.stop(new SdError('SD_ABORTED', 'A fallback answered'))
    publishTelemetry(callFallbackChannel, { call: this, error })
    this.#recorder?.note('fallback', { detail: error.message })
    return instead
  }

  /** Asks the policies that guard the service. */
  #admit(): Promise<CallResponse> {
    const { rateLimit, concurrencyLimit, breaker } = this.#entry.policies
    return rateLimit || concurrencyLimit || breaker ? this.#askPolicies() : this.#loop()
  }

  async #askPolicies(): Promise<CallResponse> {
    this.#permits = []
    await admit({
      call: this,
      policies: this.#entry.policies,
      permits: this.#permits,
      onRefusal: (policy, name) => this.#noteRefusal(policy, name),
    })
    return this.#loop()
  }

  #noteRefusal(policy: RefusingPolicy, name: string, endpoint?: Endpoint): void {
    publishTelemetry(callRefusedChannel, { call: this, policy, name })
    this.#recorder?.note('refused', { ...(endpoint && { endpoint }), detail: `${policy} ${name}` })
  }

  /** Tries until there is an answer, or nothing more to try. */
  async #loop(): Promise<CallResponse> {
    const { cluster, policies } = this.#entry
    const { retry, hedge } = policies
    if (!cluster.snapshot) await cluster.ready({ signal: this.signal })
    this.#recorder?.noteCluster(() => cluster.explain())
    const isHedged = hedge?.covers(this) === true && this.request.replayable
    let last: Attempt | undefined
    let delayMs = 0
    for (;;) {
      const attempt = isHedged ? await this.#tryHedged(hedge, delayMs > 0) : this.#startAttempt(delayMs > 0)
      if (!attempt) {
        if (last?.isOpen) return this.#decide(last)
        throw last?.error ?? this.#noInstance()
      }
      last?.response?.cancel()
      this.#attempt = attempt
      if (!isHedged) await this.#try(attempt)
      const delay = this.stopped ? undefined : retry?.next(attempt)
      if (delay === undefined || performance.now() + delay >= this.deadlineAt) return this.#decide(attempt)
      this.#noteRetry(attempt, delay)
      last = attempt
      delayMs = delay
      this.#skip(attempt.endpoint)
      if (delay === 0) continue
      attempt.response?.cancel()
      await sleep(delay, this.signal)
    }
  }

  /** What an attempt ended with is what the call ends with. */
  #decide({ answer, error }: Attempt): CallResponse {
    if (!answer) throw error
    this.#latencyMs = performance.now() - this.startedAt
    return answer
  }

  #skip(endpoint: Endpoint): void {
    this.attempted ??= []
    this.attempted.push(endpoint)
  }

  /** An attempt on an endpoint that was not tried yet; after a delay, when all were, on any. */
  #startAttempt(maySeeAgain: boolean): Attempt | undefined {
    const found = this.#pick()
    if (found || !maySeeAgain) return found
    this.attempted = undefined
    return this.#pick()
  }

  #pick(): Attempt | undefined {
    const { attached, policies } = this.#entry
    const { instanceBreakers } = policies
    for (;;) {
      const endpoint = attached.pick(this)
      if (!endpoint) return undefined
      const breaker = instanceBreakers?.of(endpoint)
      const permit = breaker?.tryAcquire()
      if (!breaker || permit) {
        this.#recorder?.note('picked', { attempt: this.attempts + 1, endpoint })
        const attempt = new Attempt(this, endpoint, { attempt: ++this.attempts, permit })
        this.#first ??= attempt
        return attempt
      }
      this.#wasRefused = true
      this.#noteRefusal('instance-breaker', breaker.name, endpoint)
      this.#skip(endpoint)
    }
  }

  #noInstance(): SdError {
    if (this.#wasRefused) return new SdError('SD_REJECTED', `The breakers of all instances of ${this.service} refused the call`)
    return new SdError('SD_NO_INSTANCE', `No instance of ${this.service} may get traffic`)
  }

  /** Tries, and tries again meanwhile. @returns the attempt whose end counts, `undefined` if there was no endpoint for any */
  async #tryHedged(hedge: HedgePolicy, maySeeAgain: boolean): Promise<Attempt | undefined> {
    const none = new SdError('SD_NO_INSTANCE', 'No other instance')
    const ended = hedge.execute<Attempt>(
      async ({ signal }) => {
        const attempt = this.#startAttempt(maySeeAgain)
        if (!attempt) throw none
        this.#skip(attempt.endpoint)
        signal.addEventListener('abort', () => attempt.lose(signal.reason as SdError), { once: true })
        await this.#try(attempt)
        return attempt
      },
      {
        signal: this.signal,
        canStart: () => this.#entry.attached.pick(this) !== undefined,
        isFinal: ({ value }) => value !== undefined && isAnswer(value),
        outcomeOf: ({ value, error }) => value ?? { ok: false, error },
        discard: (attempt) => attempt.response?.cancel(),
        onHedge: ({ attempt, afterMs }) => {
          publishTelemetry(callHedgeChannel, { call: this, attempt, afterMs })
          this.#recorder?.note('hedge', { detail: `after ${Math.round(afterMs)} ms` })
        },
      },
    )
    return ended.catch((error: unknown) => {
      if (error === none) return undefined
      throw error
    })
  }

  /** Makes an attempt: its answer, or its error, is in it afterwards. */
  async #try(attempt: Attempt): Promise<void> {
    const { attemptInterceptors } = this.#entry
    try {
      const send = (): Promise<CallResponse> => attempt.send()
      attempt.answer = attemptInterceptors.length === 0 ? await send() : await runChain(attemptInterceptors, attempt, send)
    } catch (caught) {
      attempt.error ??= toSdError(caught, 'SD_UNAVAILABLE', `Calling ${this.service}`)
    }
    attempt.endUnsent()
    if (!this.#recorder) return
    const { attempt: number, endpoint, answer, error } = attempt
    const detail = answer ? String(answer.status) : error?.message
    this.#recorder.note(answer ? 'answered' : 'failed', { attempt: number, endpoint, detail })
  }

  #noteRetry(attempt: Attempt, delayMs: number): void {
    const { status, error } = attempt
    if (hasTelemetrySubscribers(callRetryChannel)) {
      publishTelemetry(callRetryChannel, { call: this, attempt: attempt.attempt, delayMs, status, error })
    }
    this.#recorder?.note('retry', { detail: `in ${Math.round(delayMs)} ms` })
  }

  #toServiceResponse(response: CallResponse): ServiceResponse {
    if (response instanceof ServiceResponse) return response
    const { attempts, maxResponseBytes } = this
    return new ServiceResponse({ ...response, attempts, maxResponseBytes })
  }

  #startWatching(): void {
    const signal = this.#callerSignal
    if (signal) {
      if (signal.aborted) this.#onAbort()
      else signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    const remainingMs = this.deadlineAt - this.startedAt
    if (remainingMs <= 0) onDeadline(this)
    else if (remainingMs !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(onDeadline, remainingMs, this)
    if (this.stopped) throw this.stopped
  }

  readonly #onAbort = (): void => {
    this.stop(abortError(this.#callerSignal as AbortSignal, `Calling ${this.service}`))
  }

  #settlePermits(error: SdError | undefined): void {
    if (!this.#permits) return
    const status = this.#attempt?.status
    const ok = error === undefined && (status === undefined || status < 500)
    for (const permit of this.#permits) permit.settle({ ok, status, error, latencyMs: this.#latencyMs })
    this.#permits = undefined
  }

  #finish(error: SdError | undefined): void {
    if (this.#finished) return
    this.#finished = true
    this.#entry.leave()
    this.#openCalls.delete(this)
    clearTimeout(this.#timer)
    this.#callerSignal?.removeEventListener('abort', this.#onAbort)
    this.#settlePermits(error)
    const status = this.#status
    if (hasTelemetrySubscribers(callEndChannel)) {
      const durationMs = performance.now() - this.startedAt
      publishTelemetry(callEndChannel, { call: this, status, error, durationMs, attempts: this.attempts })
    }
    const { service, method, path } = this
    this.#recorder?.finish({ service, method, path, status, error })
  }
}

/** Whether it ends a hedged call: it is good, can't get better by another attempt, or tells when to come back. */
function isAnswer({ answer, error }: Attempt): boolean {
  if (!answer) return error?.retryable !== true
  const { status, headers } = answer
  return (status < 500 && status !== 429) || 'retry-after' in headers || 'grpc-retry-pushback-ms' in headers
}

function onDeadline(call: Call): void {
  const afterMs = Math.max(0, Math.round(call.deadlineAt - call.startedAt))
  const origin = call.judgeDeadline()
  call.stop(new SdError('SD_DEADLINE_EXCEEDED', `Calling ${call.service} took longer than ${afterMs} ms`, { origin }))
}

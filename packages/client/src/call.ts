import {
  abortError,
  type CallContext,
  type CallResponse,
  callEndChannel,
  callStartChannel,
  type Endpoint,
  hasTelemetrySubscribers,
  type Interceptor,
  type PickRequest,
  publishTelemetry,
  SdError,
  sleep,
  type TelemetryCall,
  toSdError,
} from '@sd/core'
import { Attempt } from './attempt.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'
import type { PreparedBody } from './request-body.ts'
import type { ServiceEntry } from './service-entry.ts'
import { ServiceResponse } from './service-response.ts'
import type { Transport } from './transport.ts'

/** What a call is made of. */
export interface CallInit {
  /** The service, with its cluster and settings. */
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
  readonly signal: AbortSignal | undefined
  /** What consistent hashing hashes. */
  readonly hashKey: string | undefined
  /** Most bytes that are read of the answer as a whole. */
  readonly maxResponseBytes: number
}

/** One logical call: picks, tries, judges and tries again, until an answer is handed out, and watches the time until its body ended. */
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
  /** Why the call was stopped, by deadline or caller. */
  stopped: SdError | undefined
  attempted: Endpoint[] | undefined
  readonly #entry: ServiceEntry
  readonly #openCalls: OpenCalls
  readonly #callerSignal: AbortSignal | undefined
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #attempt: Attempt | undefined
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
    this.#entry = init.entry
    this.#openCalls = init.openCalls
    this.#callerSignal = init.signal
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
    this.#openCalls.add(this)
    try {
      this.#startWatching()
      const { callInterceptors } = this.#entry
      const response =
        callInterceptors.length === 0 ? await this.#loop() : await runChain(callInterceptors, this, () => this.#loop())
      this.#handedOut = true
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

  /** An attempt's exchange ended; if its answer was handed out, so has the call. */
  attemptEnded(): void {
    if (this.#handedOut) this.#finish(this.#attempt?.error)
  }

  async #loop(): Promise<CallResponse> {
    const { cluster } = this.#entry
    if (!cluster.snapshot) await cluster.ready({ signal: this.signal })
    let failure: SdError | undefined
    let delayMs = 0
    for (let number = 1; ; number++) {
      const endpoint = this.#pick(delayMs > 0)
      if (!endpoint) throw failure ?? new SdError('SD_NO_INSTANCE', `No instance of ${this.service} may get traffic`)
      const attempt = new Attempt(this, endpoint, number)
      this.#attempt = attempt
      const response = await this.#try(attempt)
      const delay = this.stopped ? undefined : this.#entry.retry.next(attempt)
      if (delay === undefined || performance.now() + delay >= this.deadlineAt) {
        if (response) return response
        throw attempt.error
      }
      attempt.response?.cancel()
      failure = attempt.error
      delayMs = delay
      this.attempted ??= []
      this.attempted.push(endpoint)
      if (delay > 0) await sleep(delay, this.signal)
    }
  }

  /** An endpoint that was not tried yet; after a delay, when all were, any. */
  #pick(maySeeAgain: boolean): Endpoint | undefined {
    const endpoint = this.#entry.attached.pick(this)
    if (endpoint || !maySeeAgain) return endpoint
    this.attempted = undefined
    return this.#entry.attached.pick(this)
  }

  async #try(attempt: Attempt): Promise<CallResponse | undefined> {
    const { attemptInterceptors } = this.#entry
    try {
      if (attemptInterceptors.length === 0) return await attempt.send()
      return await runChain(attemptInterceptors, attempt, () => attempt.send())
    } catch (caught) {
      attempt.error ??= toSdError(caught, 'SD_UNAVAILABLE', `Calling ${this.service}`)
      return undefined
    }
  }

  #toServiceResponse(response: CallResponse): ServiceResponse {
    if (response instanceof ServiceResponse) return response
    const { maxResponseBytes } = this
    return new ServiceResponse({ ...response, attempts: this.#attempt?.attempt ?? 0, maxResponseBytes })
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

  #finish(error: SdError | undefined): void {
    if (this.#finished) return
    this.#finished = true
    this.#openCalls.delete(this)
    clearTimeout(this.#timer)
    this.#callerSignal?.removeEventListener('abort', this.#onAbort)
    if (!hasTelemetrySubscribers(callEndChannel)) return
    const attempts = this.#attempt?.attempt ?? 0
    const durationMs = performance.now() - this.startedAt
    publishTelemetry(callEndChannel, { call: this, status: this.#attempt?.status, error, durationMs, attempts })
  }
}

function onDeadline(call: Call): void {
  const afterMs = Math.max(0, Math.round(call.deadlineAt - call.startedAt))
  call.stop(new SdError('SD_DEADLINE_EXCEEDED', `Calling ${call.service} took longer than ${afterMs} ms`))
}

/** Runs interceptors around `last`, the first outermost. */
function runChain<Context>(
  interceptors: readonly Interceptor<Context>[],
  context: Context,
  last: () => Promise<CallResponse>,
): Promise<CallResponse> {
  const enter = (index: number): Promise<CallResponse> => {
    const interceptor = interceptors[index]
    return interceptor ? interceptor(context, () => enter(index + 1)) : last()
  }
  return enter(0)
}

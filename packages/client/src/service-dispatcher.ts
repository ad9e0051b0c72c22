import type { Duplex } from 'node:stream'
import { type AttemptResult, type CallContext, closedError, type Endpoint, type Outcome, SdError, toSdError } from '@sd/core'
import { Dispatcher } from 'undici'
import { ForwardingController } from './forwarding-controller.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'
import type { ServiceEntry } from './service-entry.ts'

/** What the dispatcher shares with its client. */
export interface ServiceDispatcherContext {
  /** Sends to addresses. */
  readonly base: Dispatcher
  /** The service of that name. */
  readonly entryOf: (service: string) => ServiceEntry
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
}

/**
 * An undici Dispatcher for which the host of an origin is the name of a service. It picks, accounts, keeps the service's time limit
 * and picks again like the client's own calls; interceptors, header fields and response limits are the caller's business.
 */
export function createServiceDispatcher(context: ServiceDispatcherContext): Dispatcher {
  return new ServiceDispatcher(context)
}

// Inheritance, because undici's own request, stream and pipeline are methods of Dispatcher over dispatch.
class ServiceDispatcher extends Dispatcher {
  readonly #context: ServiceDispatcherContext

  constructor(context: ServiceDispatcherContext) {
    super()
    this.#context = context
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#context.openCalls.isClosed) throw closedError('client')
    const origin = new URL(String(options.origin))
    const entry = this.#context.entryOf(decodeURIComponent(origin.hostname))
    const { base, openCalls } = this.#context
    void new ForwardedCall({ base, openCalls, entry, options, handler }).start()
    return true
  }

  override async close(): Promise<void> {
    // The connections are the client's to close.
  }

  override async destroy(): Promise<void> {
    // Likewise.
  }
}

interface ForwardedCallInit {
  readonly base: Dispatcher
  readonly openCalls: OpenCalls
  readonly entry: ServiceEntry
  readonly options: Dispatcher.DispatchOptions
  readonly handler: Dispatcher.DispatchHandler
}

/** One call that undici code makes: its handler is told of one exchange, over however many attempts. */
class ForwardedCall implements OpenCall {
  readonly #init: ForwardedCallInit
  readonly #controller = new ForwardingController()
  readonly #attempted: Endpoint[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #started = false

  constructor(init: ForwardedCallInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    const { entry, openCalls } = this.#init
    openCalls.add(this)
    try {
      if (entry.timeoutMs > 0) this.#timer = setTimeout(() => this.#expire(), entry.timeoutMs)
      if (!entry.cluster.snapshot) await entry.cluster.ready()
      this.attempt()
    } catch (error) {
      this.fail(toSdError(error, 'SD_UNAVAILABLE', `Calling ${entry.service}`))
    }
  }

  attempt(): void {
    const { base, entry, options } = this.#init
    const endpoint = entry.attached.pick({ attempted: this.#attempted })
    if (!endpoint) throw new SdError('SD_NO_INSTANCE', `No instance of ${entry.service} may get traffic`)
    const number = this.#attempted.push(endpoint)
    endpoint.acquire()
    base.dispatch({ ...options, origin: endpoint.origin }, new ForwardedAttempt(this, endpoint, number))
  }

  /** Whether an attempt that failed before its answer may be made on another endpoint. */
  mayRepick(result: Omit<AttemptResult, 'call' | 'replayable'>): boolean {
    const { entry, options } = this.#init
    if (this.#controller.aborted) return false
    const replayable = options.body === undefined || options.body === null || typeof options.body === 'string'
    const call = { service: entry.service, method: options.method, path: options.path } as CallContext
    return entry.retry.next({ ...result, call, replayable }) === 0
  }

  onStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#controller.follow(controller)
    if (this.#started) return
    this.#started = true
    this.#init.handler.onRequestStart?.(this.#controller, context)
  }

  onUpgrade(
    status: number,
    headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestUpgrade']>>[2],
    socket: Duplex,
  ): void {
    this.#init.handler.onRequestUpgrade?.(this.#controller, status, headers, socket)
  }

  onUpgradeEnd(): void {
    this.#finish()
  }

  onHead(...[, ...head]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.#init.handler.onResponseStart?.(this.#controller, ...head)
  }

  onData(chunk: Buffer): void {
    this.#init.handler.onResponseData?.(this.#controller, chunk)
  }

  onEnd(trailers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>[1]): void {
    this.#finish()
    this.#init.handler.onResponseEnd?.(this.#controller, trailers)
  }

  fail(error: Error): void {
    this.#finish()
    this.#init.handler.onResponseError?.(this.#controller, error)
  }

  stop(error: SdError): void {
    this.#controller.abort(error)
  }

  #finish(): void {
    clearTimeout(this.#timer)
    this.#init.openCalls.delete(this)
  }

  #expire(): void {
    const { service, timeoutMs } = this.#init.entry
    this.stop(new SdError('SD_DEADLINE_EXCEEDED', `Calling ${service} took longer than ${timeoutMs} ms`))
  }
}

/** One attempt: accounts for its endpoint and passes everything on, except a failure that is mended by another attempt. */
class ForwardedAttempt implements Dispatcher.DispatchHandler, Outcome {
  status: number | undefined
  latencyMs: number | undefined
  error: SdError | undefined
  readonly #call: ForwardedCall
  readonly #endpoint: Endpoint
  readonly #number: number
  readonly #startedAt = performance.now()
  #sent = false

  constructor(call: ForwardedCall, endpoint: Endpoint, number: number) {
    this.#call = call
    this.#endpoint = endpoint
    this.#number = number
  }

  get ok(): boolean {
    return this.error === undefined && (this.status ?? 0) < 500
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#sent = true
    this.#call.onStart(controller, context)
  }

  onRequestUpgrade(
    ...[, status, headers, socket]: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestUpgrade']>>
  ): void {
    this.status = status
    socket.once('close', () => {
      this.#endpoint.release(this)
      this.#call.onUpgradeEnd()
    })
    this.#call.onUpgrade(status, headers, socket)
  }

  onResponseStart(...head: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    const [, status] = head
    if (status >= 200) {
      this.status = status
      this.latencyMs = performance.now() - this.#startedAt
    }
    this.#call.onHead(...head)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#call.onData(chunk)
  }

  onResponseEnd(...[, trailers]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#endpoint.release(this)
    this.#call.onEnd(trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.error = toSdError(error, 'SD_UNAVAILABLE', `Calling ${this.#endpoint.instance.service}`)
    this.#endpoint.release(this)
    const { error: failure, status } = this
    if (status !== undefined || !this.#call.mayRepick({ attempt: this.#number, error: failure, sent: this.#sent })) {
      this.#call.fail(error)
      return
    }
    try {
      this.#call.attempt()
    } catch {
      this.#call.fail(error)
    }
  }
}

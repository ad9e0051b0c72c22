import type { Duplex } from 'node:stream'
import { type Endpoint, type Outcome, SdError, toSdError } from '@sd/core'
import type { Dispatcher } from 'undici'
import { explainNoInstance } from './no-instance.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'
import type { ServiceEntry } from './service-entries.ts'

/** An upgrade that undici code asks for. */
export interface UpgradeInit {
  /** Sends to addresses. */
  readonly base: Dispatcher
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
  /** The service. */
  readonly entry: ServiceEntry
  /** What was asked for. */
  readonly options: Dispatcher.DispatchOptions
  /** Who asked. */
  readonly handler: Dispatcher.DispatchHandler
}

type Handler<Method extends keyof Dispatcher.DispatchHandler> = Parameters<NonNullable<Dispatcher.DispatchHandler[Method]>>

/** Endpoints that are tried until a connection can be made. */
const maxAttempts = 3

/**
 * Sends an upgrade to an endpoint of a service, to another one if no connection could be made, and counts it there until its socket is
 * closed. The time limit ends with the answer.
 */
export function forwardUpgrade(init: UpgradeInit): void {
  void new Upgrade(init).start()
}

class Upgrade implements Dispatcher.DispatchHandler, OpenCall {
  readonly #init: UpgradeInit
  readonly #attempted: Endpoint[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #controller: Dispatcher.DispatchController | undefined
  #stopped: SdError | undefined
  readonly #waiting = new AbortController()
  #socket: Duplex | undefined
  #isFinished = false

  constructor(init: UpgradeInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    const { cluster, settings, service } = this.#init.entry
    const { timeoutMs } = settings
    this.#init.entry.enter()
    this.#init.openCalls.add(this)
    if (timeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.stop(new SdError('SD_DEADLINE_EXCEEDED', `Calling ${service} took longer than ${timeoutMs} ms`))
      }, timeoutMs)
    }
    try {
      if (!cluster.snapshot) await cluster.ready({ signal: this.#waiting.signal })
      if (this.#stopped) return
      this.#attempt()
    } catch (error) {
      if (!this.#stopped) this.#fail(toSdError(error, 'SD_UNAVAILABLE', `Calling ${service}`))
    }
  }

  stop(error: SdError): void {
    if (this.#stopped) return
    this.#stopped = error
    this.#waiting.abort(error)
    this.#controller?.abort(error)
    this.#socket?.destroy(error)
    if (this.#attempted.length === 0) this.#fail(error)
  }

  onRequestStart(...[controller, context]: Handler<'onRequestStart'>): void {
    this.#controller = controller
    if (this.#stopped) controller.abort(this.#stopped)
    this.#init.handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(...upgrade: Handler<'onRequestUpgrade'>): void {
    const [, , , socket] = upgrade
    clearTimeout(this.#timer)
    this.#socket = socket
    socket.once('close', () => this.#end({ ok: true }))
    this.#init.handler.onRequestUpgrade?.(...upgrade)
  }

  onResponseStart(...head: Handler<'onResponseStart'>): void {
    this.#init.handler.onResponseStart?.(...head)
  }

  onResponseData(...data: Handler<'onResponseData'>): void {
    this.#init.handler.onResponseData?.(...data)
  }

  onResponseEnd(...end: Handler<'onResponseEnd'>): void {
    this.#end({ ok: true })
    this.#init.handler.onResponseEnd?.(...end)
  }

  onResponseError(_: unknown, error: Error): void {
    const failure = { ok: false, error }
    if (this.#controller || this.#stopped || this.#attempted.length >= maxAttempts) {
      this.#end(failure)
      this.#fail(error)
      return
    }
    this.#attempted.at(-1)?.release(failure)
    try {
      this.#attempt()
    } catch {
      this.#fail(error)
    }
  }

  #attempt(): void {
    const { base, entry, options } = this.#init
    const endpoint = entry.attached.pick({ attempted: this.#attempted })
    if (!endpoint) throw explainNoInstance(entry.cluster)
    this.#attempted.push(endpoint)
    endpoint.acquire()
    base.dispatch({ ...options, origin: endpoint.origin }, this)
  }

  #end(outcome: Outcome): void {
    this.#attempted.at(-1)?.release(outcome)
    this.#finish()
  }

  #fail(error: Error): void {
    this.#finish()
    this.#init.handler.onResponseError?.(this.#controller ?? createEndedController(error), error)
  }

  #finish(): void {
    clearTimeout(this.#timer)
    if (this.#isFinished) return
    this.#isFinished = true
    this.#init.entry.leave()
    this.#init.openCalls.delete(this)
  }
}

/** For a handler whose request never began. */
function createEndedController(reason: Error): Dispatcher.DispatchController {
  const nothing = (): void => undefined
  return {
    aborted: true,
    paused: false,
    reason,
    rawHeaders: null,
    rawTrailers: null,
    abort: nothing,
    pause: nothing,
    resume: nothing,
  }
}

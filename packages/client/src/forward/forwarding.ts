import {
  type CallResponse,
  DEADLINE_HEADER,
  type Endpoint,
  type EndpointView,
  guardListener,
  type HeaderFields,
  isPickable,
  type PickRequest,
  type ResponseVerdict,
  SdError,
  type ServiceInstance,
} from '@sd/core'
import { verdictOf } from '../attempt/verdict.ts'
import { Call } from '../call/call.ts'
import type { CallTaker } from '../call/interceptors.ts'
import { pumpBody } from '../message/pumped-body.ts'
import type { PushedBody } from '../message/pushed-body.ts'
import type { RawHeaders } from '../message/raw-headers.ts'
import { type BodySink, ResponseBody } from '../message/response-body.ts'
import type { ForwardControl, ForwardHandler } from './forward.ts'
import type { ForwardContext, ForwardInit, HeadHandler, RawHead } from './forward-init.ts'
import type { ForwardParts, RawTail, ResponseHead } from './forward-parts.ts'

const noAttempts: PickRequest = {}

/** A forwarded call has raw header fields instead. */
const noHeaders: Record<string, string> = Object.freeze({})

/** One forwarded request: a call of the client whose response is pushed into a handler, and whose body its caller may push. */
export class Forwarding implements ForwardControl, ForwardParts, BodySink, CallTaker {
  readonly raw: RawHeaders
  readonly pushed: PushedBody | undefined
  readonly upgrade: string | undefined
  readonly sendsDeadline: boolean
  readonly #call: Call
  readonly #init: ForwardInit
  readonly #handler: ForwardHandler | HeadHandler
  readonly #maxAt: number
  #body: ResponseBody | undefined
  #isPaused = false
  #hasHead = false
  #isOver = false
  /** Whether the dispatch that began it is still running. */
  #isBeginning = false
  #aborted: SdError | undefined

  constructor(context: ForwardContext, init: ForwardInit, handler: ForwardHandler | HeadHandler) {
    const { entry, pushed, upgrade, limits } = init
    const startedAt = performance.now()
    this.raw = init.rawHeaders
    this.pushed = pushed
    this.upgrade = upgrade
    this.#maxAt = Math.min(after(limits.maxDurationMs, startedAt), limits.deadlineAt ?? Number.POSITIVE_INFINITY)
    // The duration of an upload or of an upgraded connection is not known.
    this.sendsDeadline = this.#maxAt < Number.POSITIVE_INFINITY || (pushed === undefined && upgrade === undefined)
    this.#init = init
    this.#handler = handler
    this.#call = new Call({
      entry,
      transport: init.transport ?? context.transport,
      openCalls: context.openCalls,
      method: init.method,
      path: init.path,
      body: init.body,
      headers: noHeaders,
      startedAt,
      deadlineAt: Math.min(this.#maxAt, after(limits.headTimeoutMs, startedAt)),
      hashKey: init.hashKey,
      priority: init.priority,
      idempotent: init.idempotent,
      maxResponseBytes: context.maxResponseBytes,
      forward: this,
    })
  }

  /** Begins. The handler is called later. */
  begin(): void {
    this.#isBeginning = true
    this.#call.start(this)
    this.#isBeginning = false
  }

  write(chunk: Uint8Array): boolean {
    if (!this.pushed || this.#isOver) return true
    if (!this.#hasHead) this.#extend(this.#init.limits.headTimeoutMs)
    return this.pushed.write(chunk)
  }

  end(rawTrailers?: readonly string[]): void {
    if (!this.#hasHead && this.pushed) this.#extend(this.#init.limits.headTimeoutMs)
    this.pushed?.end(rawTrailers)
  }

  abort(reason: SdError): void {
    if (this.#isOver || this.#aborted) return
    this.#aborted = reason
    this.#call.stop(reason)
    // Also if the response is complete, but the handler has not received it yet.
    queueMicrotask(() => this.#fail(reason))
  }

  pause(): void {
    this.#isPaused = true
    this.#body?.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#hasHead) this.#extend(this.#init.limits.idleTimeoutMs)
    this.#body?.resume()
  }

  deadlineFields(remainingMs: number): readonly string[] {
    return this.#init.deadlineFields?.(remainingMs) ?? [DEADLINE_HEADER, String(remainingMs)]
  }

  filter(instance: ServiceInstance): boolean {
    return this.#init.filter?.(instance) ?? true
  }

  preferred(view: EndpointView): Endpoint | undefined {
    const endpoint = this.#init.prefer?.(view.endpoints)
    if (!endpoint || !isPickable(view, view.endpoints.indexOf(endpoint), noAttempts)) return undefined
    return endpoint
  }

  judge(head: ResponseHead, tail: RawTail): ResponseVerdict {
    const verdict = this.#init.judge?.(head, tail.rawTrailers)
    if (typeof verdict === 'object') return verdict
    return verdictOf(verdict ?? head.status >= 500)
  }

  onDeadline(): SdError | undefined {
    const { service, firstExchange } = this.#call
    const { headTimeoutMs, idleTimeoutMs } = this.#init.limits
    const origin = firstExchange?.judgeDeadline() ?? 'caller'
    if (performance.now() + 1 >= this.#maxAt) {
      const limitMs = Math.max(0, Math.round(this.#maxAt - this.#call.startedAt))
      return new SdError('SD_DEADLINE_EXCEEDED', `Calling ${service} took longer than ${limitMs} ms`, { origin })
    }
    if (!this.#hasHead) {
      return new SdError('SD_DEADLINE_EXCEEDED', `Calling ${service} took longer than ${headTimeoutMs} ms`, { origin })
    }
    if (!this.#isPaused) return new SdError('SD_TIMEOUT', `No response data for ${idleTimeoutMs} ms`)
    this.#extend(idleTimeoutMs)
    return undefined
  }

  onInformation(status: number, rawHeaders: readonly string[]): void {
    if (this.#hasHead) return
    try {
      this.#handler.onInformation?.(status, rawHeaders)
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  onDrain(): void {
    try {
      this.#handler.onDrain?.()
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  onData(chunk: Uint8Array): boolean {
    this.#extend(this.#init.limits.idleTimeoutMs)
    if (this.#isOver || this.#aborted) return !this.#isPaused
    try {
      this.#handler.onData(chunk)
    } catch (thrown) {
      this.#endWith(thrown)
    }
    return !this.#isPaused
  }

  onEnd(error: SdError | undefined): void {
    if (error ?? this.#aborted) this.#fail((error ?? this.#aborted) as SdError)
    else this.#finish(() => this.#handler.onEnd(this.#call.exchange?.rawTrailers ?? []))
  }

  onResponse(response: CallResponse): void {
    if (this.#isBeginning) {
      queueMicrotask(() => this.onResponse(response))
      return
    }
    this.#hasHead = true
    this.pushed?.release()
    const { exchange } = this.#call
    const own = exchange?.response === response ? exchange : undefined
    const { body } = response
    if (own?.socket) {
      const { socket, rawHeaders, endpoint } = own
      this.#call.moveDeadline(this.#maxAt)
      if (this.#handler.onUpgrade) this.#finish(() => this.#handler.onUpgrade?.(socket, rawHeaders, endpoint))
      else this.#refuseUpgrade()
      return
    }
    this.#extend(this.#init.limits.idleTimeoutMs)
    if (this.#aborted) return
    this.#reportHead(response, own ?? { rawHeaders: toRawHeaders(response.headers) })
    if (this.#isOver || this.#aborted) return
    const { service } = this.#call
    this.#body = body instanceof ResponseBody ? body : pumpBody(body, { service, isOver: () => this.#isOver })
    this.#body.pipe(this)
    if (this.#isPaused) this.#body.pause()
  }

  onFailure(error: SdError): void {
    if (this.#isBeginning) queueMicrotask(() => this.#fail(error))
    else this.#fail(error)
  }

  #reportHead(response: CallResponse, raw: RawHead): void {
    const handler = this.#handler
    try {
      if (!('onResponse' in handler)) handler.onHead(response, raw)
      else handler.onResponse(response.status, response.statusText ?? '', raw.rawHeaders, response.endpoint)
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  #refuseUpgrade(): void {
    this.#call.stop(new SdError('SD_UNSUPPORTED', 'The request handler does not accept upgrades: it has no onUpgrade'))
    this.#fail(new SdError('SD_UNSUPPORTED', 'The request handler does not accept upgrades: it has no onUpgrade'))
  }

  /** Sets the deadline to `limitMs` from now, within the limit for the whole. */
  #extend(limitMs: number): void {
    this.#call.moveDeadline(Math.min(this.#maxAt, after(limitMs, limitMs === 0 ? 0 : performance.now())))
  }

  #fail(error: SdError): void {
    this.pushed?.release()
    this.#finish(() => this.#handler.onError(error))
  }

  #finish(tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    try {
      tell()
    } catch (thrown) {
      // This was the last event: nothing is left to be ended.
      guardListener('handler of a forwarded request', () => Promise.reject(thrown))()
    }
  }

  /** An exception in a handler ends the call, not the process. */
  #endWith(thrown: unknown): void {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    const error = new SdError('SD_ABORTED', `The request handler failed: ${message}`, { cause: thrown, origin: 'caller' })
    this.#call.stop(error)
    this.#fail(error)
  }
}

function after(limitMs: number, now: number): number {
  return limitMs === 0 ? Number.POSITIVE_INFINITY : now + limitMs
}

/** Header fields as names and values in turn. */
function toRawHeaders(headers: HeaderFields): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().flatMap((one) => [name, one]))
}

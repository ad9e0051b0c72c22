import {
  type CallPriority,
  type CallResponse,
  guardListener,
  type HeaderFields,
  type RequestBody,
  type ResponseVerdict,
  SdError,
  type ServiceInstance,
  toSdError,
} from '@sd/core'
import { Call } from './call.ts'
import type { ForwardParts, ResponseHead } from './call-frame.ts'
import type { ForwardControl, ForwardHandler } from './forward.ts'
import type { OpenCalls } from './open-calls.ts'
import type { PushedBody } from './pushed-body.ts'
import { RawHeaders } from './raw-headers.ts'
import { type BodySink, ResponseBody } from './response-body.ts'
import type { ServiceEntry } from './service-entries.ts'
import type { Transport } from './transport.ts'

/** What forwarding shares with its client. */
export interface ForwardContext {
  /** Sends requests. */
  readonly transport: Transport
  /** The service of that name, or its operation. */
  readonly entryOf: (service: string, method?: string, path?: string) => ServiceEntry
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
  /** Most bytes that are read of a response as a whole. */
  readonly maxResponseBytes: number
}

/** Time limits in milliseconds, 0 for none. */
export interface ForwardLimits {
  /** Until the head of the response. */
  readonly headTimeoutMs: number
  /** Between two parts of the response. */
  readonly idleTimeoutMs: number
  /** For the whole. */
  readonly maxDurationMs: number
  /** When the whole must have ended, by `performance.now()`. @default never */
  readonly deadlineAt?: number | undefined
}

/** A checked request. */
export interface ForwardInit {
  readonly entry: ServiceEntry
  readonly method: string
  readonly path: string
  readonly rawHeaders: readonly string[]
  /** The body, if it is pushed. */
  readonly pushed?: PushedBody | undefined
  /** The body, if it is there as a whole. */
  readonly body?: RequestBody | undefined
  readonly upgrade?: string | undefined
  readonly hashKey?: string | undefined
  readonly filter?: ((instance: ServiceInstance) => boolean) | undefined
  readonly judge?: ((head: ResponseHead, rawTrailers: readonly string[]) => boolean | ResponseVerdict) | undefined
  readonly priority?: CallPriority | undefined
  readonly idempotent?: boolean | undefined
  /** Sends it instead of the client's transport. */
  readonly transport?: Transport | undefined
  readonly limits: ForwardLimits
}

/** What has raw header fields: some are made when they are asked for. */
export interface RawHead {
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[]
}

/** A handler of the client's own: it takes the head as the call has it, which spares it the raw fields. */
export interface HeadHandler extends Omit<ForwardHandler, 'onResponse'> {
  /** The head of the response came. */
  onHead(response: CallResponse, raw: RawHead): void
}

/** One forwarded request: a call of the client whose response is pushed into a handler, and whose body may be pushed by its caller. */
export class Forwarding implements ForwardControl, ForwardParts, BodySink {
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
  #aborted: SdError | undefined

  constructor(context: ForwardContext, init: ForwardInit, handler: ForwardHandler | HeadHandler) {
    const { entry, method, path, body, hashKey, priority, idempotent, limits } = init
    const { openCalls, maxResponseBytes } = context
    const { transport = context.transport } = init
    this.raw = new RawHeaders(init.rawHeaders, entry.settings.headers)
    this.pushed = init.pushed
    this.upgrade = init.upgrade
    this.#maxAt = Math.min(after(limits.maxDurationMs), limits.deadlineAt ?? Number.POSITIVE_INFINITY)
    // How long an upload takes is not known, nor how long an upgraded connection stays.
    this.sendsDeadline = this.#maxAt < Number.POSITIVE_INFINITY || (init.pushed === undefined && init.upgrade === undefined)
    this.#init = init
    this.#handler = handler
    const deadlineAt = Math.min(this.#maxAt, after(limits.headTimeoutMs))
    const parts = {
      entry,
      transport,
      openCalls,
      method,
      path,
      body,
      headers: {},
      hashKey,
      priority,
      idempotent,
      maxResponseBytes,
    }
    this.#call = new Call({ ...parts, deadlineAt, forward: this })
  }

  /** Begins. What it tells its handler comes later. */
  start(): this {
    queueMicrotask(() => {
      this.#call.run().then(
        (response) => this.#onHead(response),
        (error: SdError) => this.#fail(error),
      )
    })
    return this
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
    // Also where the response is complete, and only its handler does not have it yet.
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

  filter(instance: ServiceInstance): boolean {
    return this.#init.filter?.(instance) ?? true
  }

  judge(head: ResponseHead, rawTrailers: readonly string[]): ResponseVerdict {
    const verdict = this.#init.judge?.(head, rawTrailers) ?? head.status >= 500
    return typeof verdict === 'object' ? verdict : { ok: !verdict }
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
    if (!this.#isPaused) return new SdError('SD_TIMEOUT', `Nothing of the response came for ${idleTimeoutMs} ms`)
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

  #onHead(response: CallResponse): void {
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
    this.#tellHead(response, own ?? { rawHeaders: toRawHeaders(response.headers) })
    if (this.#isOver || this.#aborted) return
    if (!(body instanceof ResponseBody)) {
      void this.#pump(body)
      return
    }
    this.#body = body
    body.pipe(this)
    if (this.#isPaused) body.pause()
  }

  #tellHead(response: CallResponse, raw: RawHead): void {
    const handler = this.#handler
    try {
      if (!('onResponse' in handler)) handler.onHead(response, raw)
      else handler.onResponse(response.status, response.statusText ?? '', raw.rawHeaders, response.endpoint)
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  #refuseUpgrade(): void {
    this.#call.stop(new SdError('SD_UNSUPPORTED', 'The handler of the request takes no upgrade'))
    this.#fail(new SdError('SD_UNSUPPORTED', 'The handler of the request takes no upgrade'))
  }

  /** For bodies that an interceptor or a fallback made. */
  async #pump(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const copy = new ResponseBody({ resume: () => wake?.(), cancel() {} })
    let wake: (() => void) | undefined
    this.#body = copy
    copy.pipe(this)
    try {
      for await (const chunk of chunks) {
        if (this.#isOver) return
        if (copy.push(chunk)) continue
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      copy.end()
    } catch (error) {
      copy.fail(toSdError(error, 'SD_UNAVAILABLE', `Calling ${this.#call.service}`))
    }
  }

  /** Moves the deadline by a limit from now on, within the limit for the whole. */
  #extend(limitMs: number): void {
    this.#call.moveDeadline(Math.min(this.#maxAt, after(limitMs)))
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
      // It was the last that it is told: nothing is left to be ended.
      guardListener('handler of a forwarded request', () => Promise.reject(thrown))()
    }
  }

  /** What a handler throws ends the call, not the process. */
  #endWith(thrown: unknown): void {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    const error = new SdError('SD_ABORTED', `The handler of the request failed: ${message}`, { cause: thrown, origin: 'caller' })
    this.#call.stop(error)
    this.#fail(error)
  }
}

function after(limitMs: number): number {
  return limitMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + limitMs
}

/** Header fields as names and values in turn. */
function toRawHeaders(headers: HeaderFields): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().flatMap((one) => [name, one]))
}

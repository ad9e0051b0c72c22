import { Readable } from 'node:stream'
import { closedError, type RequestBody, SdError } from '@sd/core'
import { Dispatcher } from 'undici'
import { Call } from './call.ts'
import type { OpenCalls } from './open-calls.ts'
import { contentTypeOf } from './request-body.ts'
import type { ServiceEntry } from './service-entries.ts'
import type { UndiciTransport } from './undici-transport.ts'
import { forwardUpgrade } from './upgrade.ts'

/** What the dispatcher shares with its client. */
export interface ServiceDispatcherContext {
  /** Sends to addresses. */
  readonly transport: UndiciTransport
  /** The service of that name, or its operation. */
  readonly entryOf: (service: string, method?: string, path?: string) => ServiceEntry
  /** The client's calls under way. */
  readonly openCalls: OpenCalls
  /** Most bytes that are read of an answer as a whole. */
  readonly maxResponseBytes: number
}

/**
 * An undici Dispatcher for which the host of an origin is the name of a service. Its requests are the client's own calls, with their
 * policies and time limit. Upgrades are only picked and counted: what follows is no answer that could be judged.
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
    const { openCalls, entryOf, transport, maxResponseBytes } = this.#context
    if (openCalls.isClosed) throw closedError('client')
    const service = decodeURIComponent(new URL(String(options.origin)).hostname)
    const entry = entryOf(service, options.method, options.path)
    if (options.upgrade || options.method === 'CONNECT') {
      forwardUpgrade({ base: transport.dispatcher, openCalls, entry, options, handler })
      return true
    }
    const { settings } = entry
    const { timeoutMs } = settings
    const body = readBody(options.body)
    const headers = { ...settings.headers, ...readDispatchHeaders(options.headers) }
    // undici says nothing of the type of text, and neither does this.
    const contentType = typeof body === 'string' ? undefined : contentTypeOf(body)
    if (contentType !== undefined) headers['content-type'] ??= contentType
    const deadlineAt = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
    const { method, path } = options
    const call = new Call({ entry, transport, openCalls, method, path, headers, body, deadlineAt, maxResponseBytes })
    void new DispatchedCall(call, handler).run()
    return true
  }

  override async close(): Promise<void> {
    // The connections are the client's to close.
  }

  override async destroy(): Promise<void> {
    // Likewise.
  }
}

/** One call that undici code makes: tells its handler of the answer, and takes its orders. */
class DispatchedCall implements Dispatcher.DispatchController {
  readonly #call: Call
  readonly #handler: Dispatcher.DispatchHandler
  rawHeaders: Buffer[] | null = null
  rawTrailers: null = null
  reason: Error | null = null
  #resume: PromiseWithResolvers<void> | undefined

  constructor(call: Call, handler: Dispatcher.DispatchHandler) {
    this.#call = call
    this.#handler = handler
  }

  get aborted(): boolean {
    return this.reason !== null
  }

  get paused(): boolean {
    return this.#resume !== undefined
  }

  abort(reason: Error): void {
    this.reason ??= reason
    this.#call.stop(new SdError('SD_ABORTED', `Calling ${this.#call.service} was aborted`, { cause: reason }))
    this.resume()
  }

  pause(): void {
    this.#resume ??= Promise.withResolvers()
  }

  resume(): void {
    this.#resume?.resolve()
    this.#resume = undefined
  }

  async run(): Promise<void> {
    const handler = this.#handler
    try {
      handler.onRequestStart?.(this, {})
      const { status, headers, body } = await this.#call.run()
      this.rawHeaders = Object.entries(headers).flatMap(([name, value]) =>
        [value ?? []].flat().flatMap((one) => [Buffer.from(name, 'latin1'), Buffer.from(one, 'latin1')]),
      )
      handler.onResponseStart?.(this, status, headers as Record<string, string | string[]>, '')
      for await (const chunk of body) {
        await this.#resume?.promise
        if (this.reason) throw this.reason
        handler.onResponseData?.(this, chunk as Buffer)
      }
      await this.#resume?.promise
      handler.onResponseEnd?.(this, {})
    } catch (error) {
      const failure = this.reason ?? (error as Error)
      this.abort(failure)
      handler.onResponseError?.(this, failure)
    }
  }
}

function readBody(body: Dispatcher.DispatchOptions['body']): RequestBody | undefined {
  return isIterable(body) ? Readable.from(body) : ((body as RequestBody | null | undefined) ?? undefined)
}

function isIterable(body: unknown): body is Iterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.iterator in body && !ArrayBuffer.isView(body) && !isForm(body)
}

function isForm(body: object): boolean {
  return body instanceof FormData || body instanceof URLSearchParams
}

/** Header fields in any of the forms that undici takes, names in lower case. */
function readDispatchHeaders(headers: Dispatcher.DispatchOptions['headers']): Record<string, string> {
  const fields: Record<string, string> = {}
  const add = (name: string, value: unknown): void => {
    if (value === undefined || value === null) return
    const key = name.toLowerCase()
    const text = Array.isArray(value) ? value.join(key === 'cookie' ? '; ' : ', ') : String(value)
    fields[key] = key in fields ? `${fields[key]}, ${text}` : text
  }
  if (Array.isArray(headers)) {
    for (let index = 0; index < headers.length; index += 2) add(String(headers[index]), headers[index + 1])
  } else if (headers) {
    const pairs = Symbol.iterator in headers ? (headers as Iterable<[string, unknown]>) : Object.entries(headers)
    for (const [name, value] of pairs) add(name, value)
  }
  return fields
}

import { PassThrough, Writable } from 'node:stream'
import type { ServiceClient, ServiceResponse } from '@sd/client'
import { SdError, toSdError } from '@sd/core'
import type { InternalAxiosRequestConfig } from 'axios'
import { type MessageHeaders, ServiceMessage } from './service-message.ts'

/** The options that axios passes to `request()` of its transport. */
export interface SentOptions {
  readonly protocol: string
  readonly hostname: string
  readonly port?: string | number | undefined
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly auth?: string | undefined
  readonly beforeRedirects?: object
}

/** Receives the response. */
export type OnResponse = (response: ServiceMessage) => void

/** Input of a {@link ServiceRequest}. */
export interface ServiceRequestInit {
  readonly client: Pick<ServiceClient, 'request'>
  readonly service: string
  readonly options: SentOptions
  readonly config: InternalAxiosRequestConfig
  /** Start of the first request of a redirect chain, by `performance.now()`. */
  readonly startedAt: number
  /** Whether its redirects are followed. */
  readonly isFollowing: boolean
  readonly onResponse: OnResponse
  readonly onFailure: (error: SdError) => void
}

/** Bodies of a known length up to this are collected, so that the call can send them again. */
const maxCollectedBytes = 1_048_576

/** One request as a call of the client: the part of `http.ClientRequest` that axios and follow-redirects use. */
export class ServiceRequest extends Writable {
  readonly method: string
  readonly path: string
  readonly protocol: string
  /** Name of the service. */
  readonly host: string
  /** The response, once its head has arrived. */
  res: ServiceMessage | undefined
  readonly #init: ServiceRequestInit
  readonly #headers: Record<string, string>
  readonly #aborting = new AbortController()
  /** The body so far, until the call begins. */
  #collected: Buffer[] | undefined = []
  #collectedBytes = 0
  /** Target of the rest of the body, after the call has begun. */
  #upload: PassThrough | undefined

  constructor(init: ServiceRequestInit) {
    // Like a ClientRequest, it has not ended when its body was written.
    super({ autoDestroy: false })
    const { method, path, protocol, headers, auth } = init.options
    this.method = method
    this.path = path
    this.protocol = protocol
    this.host = init.service
    this.#init = init
    this.#headers = readFields(headers, auth)
  }

  /** Called by follow-redirects. */
  getHeader(name: string): string | undefined {
    const field = name.toLowerCase()
    return this.#headers[field] ?? (field === 'host' ? this.#init.options.hostname : undefined)
  }

  /** The client has the time limits. */
  setTimeout(): this {
    return this
  }

  abort(): void {
    this.destroy()
  }

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    if (!this.#collected) {
      this.#push(chunk, done)
      return
    }
    this.#collected.push(chunk)
    this.#collectedBytes += chunk.length
    const length = Number(this.#headers['content-length'] ?? Number.POSITIVE_INFINITY)
    // A stream may be one that never ends: it is sent as it comes, unless all of it comes at once.
    if (length > maxCollectedBytes) {
      if (this.#collectedBytes > maxCollectedBytes && this.#collected.length > 1) this.#stream()
      else if (this.#collected.length === 1) queueMicrotask(() => this.#streamUnlessEnded())
    }
    done()
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#collected) {
      const body = this.#collected.length > 0 ? Buffer.concat(this.#collected) : undefined
      this.#collected = undefined
      void this.#call(body)
    } else this.#upload?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#aborting.abort()
    this.#upload?.destroy()
    done(error)
  }

  #streamUnlessEnded(): void {
    if (this.#collected && !this.writableEnded) this.#stream()
  }

  #stream(): void {
    const upload = new PassThrough()
    this.#upload = upload
    for (const chunk of this.#collected ?? []) upload.write(chunk)
    this.#collected = undefined
    void this.#call(upload)
  }

  #push(chunk: Buffer, done: () => void): void {
    const upload = this.#upload as PassThrough
    // The call may have ended without reading the rest.
    if (upload.destroyed || upload.write(chunk)) done()
    else {
      const go = (): void => {
        upload.off('drain', go).off('close', go)
        done()
      }
      upload.on('drain', go).on('close', go)
    }
  }

  async #call(body: Buffer | PassThrough | undefined): Promise<void> {
    const { client, config, onFailure, onResponse } = this.#init
    const head = this.#limitHead()
    try {
      const response = await client.request(this.host, this.path, {
        ...config.sd,
        method: this.method,
        headers: this.#headers,
        signal: this.#aborting.signal,
        ...(body !== undefined && { body }),
        ...this.#timeLimit(),
      })
      this.res = this.#toMessage(response)
      onResponse(this.res)
    } catch (caught) {
      const error = head.expired ?? toSdError(caught, 'SD_UNAVAILABLE', `Calling ${this.host}`)
      onFailure(error)
      if (!this.destroyed) this.destroy(error)
    } finally {
      head.clear()
    }
  }

  /** The time limit of axios in place of the service's: of the whole call, or for a stream until its head. */
  #timeLimit(): { readonly timeoutMs?: number } {
    const { config, startedAt } = this.#init
    if (!config.timeout) return {}
    if (config.responseType === 'stream') return { timeoutMs: 0 }
    return { timeoutMs: Math.max(1, Math.ceil(config.timeout - (performance.now() - startedAt))) }
  }

  #limitHead(): { expired?: SdError; readonly clear: () => void } {
    const { config, startedAt } = this.#init
    const { timeout = 0 } = config
    if (timeout === 0 || config.responseType !== 'stream') return { clear: () => undefined }
    const limit: { expired?: SdError; clear: () => void } = { clear: () => clearTimeout(timer) }
    const timer = setTimeout(
      () => {
        limit.expired = new SdError('SD_TIMEOUT', `${this.host} did not respond within ${timeout} ms`)
        this.#aborting.abort()
      },
      Math.max(1, timeout - (performance.now() - startedAt)),
    )
    return limit
  }

  #toMessage(response: ServiceResponse): ServiceMessage {
    const { onFailure, isFollowing } = this.#init
    const message = new ServiceMessage(this, response, (error) => {
      if (!this.#aborting.signal.aborted) onFailure(toSdError(error, 'SD_UNAVAILABLE', 'Reading the response'))
    })
    if (isFollowing) this.#nameService(message.headers, response)
    return message
  }

  /** A redirect to the instance itself is one to its service. */
  #nameService(headers: MessageHeaders, { endpoint }: ServiceResponse): void {
    const { location } = headers
    const target = typeof location === 'string' ? URL.parse(location) : null
    if (target?.host !== new URL(endpoint.origin).host) return
    headers['location'] = `${this.protocol}//${this.#init.options.hostname}${target.pathname}${target.search}`
  }
}

/** Header fields as the client takes them. */
function readFields(given: SentOptions['headers'], auth: string | undefined): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue
    fields[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : String(value)
  }
  if (auth && fields['authorization'] === undefined) fields['authorization'] = `Basic ${Buffer.from(auth).toString('base64')}`
  return fields
}

import type { Duplex } from 'node:stream'
import { type CallResponse, SdError } from '@sd/core'
import { type Dispatcher, errors } from 'undici'
import type { HeadHandler, RawHead } from '../forward/forward-init.ts'
import type { Forwarding } from '../forward/forwarding.ts'
import { toDispatcherError } from './dispatcher-errors.ts'

/** One call of undici code: passes events to its handler and serves as its controller. */
export class DispatchedHandler implements Dispatcher.DispatchController, HeadHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #limits: Pick<Dispatcher.DispatchOptions, 'headersTimeout' | 'bodyTimeout'>
  #rawHeaders: RawFields | undefined
  #rawTrailers: readonly string[] | undefined
  reason: Error | null = null
  paused = false
  #forwarding: Forwarding | undefined
  #hasHead = false
  #isOver = false

  /** @param limits time limits of the request itself */
  constructor(handler: Dispatcher.DispatchHandler, limits: Pick<Dispatcher.DispatchOptions, 'headersTimeout' | 'bodyTimeout'>) {
    this.#handler = handler
    this.#limits = limits
  }

  get rawHeaders(): Buffer[] | null {
    return this.#rawHeaders?.buffers ?? null
  }

  get rawTrailers(): Buffer[] | null {
    return this.#rawTrailers?.map(toBuffer) ?? null
  }

  get aborted(): boolean {
    return this.reason !== null
  }

  /** Starts the call. */
  begin(forwarding: Forwarding): void {
    this.#forwarding = forwarding
    this.#handler.onRequestStart?.(this, {})
    if (!this.reason) forwarding.begin()
    else queueMicrotask(() => this.onError(this.reason as Error))
  }

  /** The request is rejected before it starts. */
  refuse(error: Error): void {
    this.onError(error)
  }

  abort(reason?: Error): void {
    if (this.reason || this.#isOver) return
    this.reason = reason ?? new errors.RequestAbortedError()
    this.#forwarding?.abort(new SdError('SD_ABORTED', 'The request was aborted', { cause: this.reason }))
  }

  pause(): void {
    this.paused = true
    this.#forwarding?.pause()
  }

  resume(): void {
    this.paused = false
    this.#forwarding?.resume()
  }

  onInformation(status: number, rawHeaders: readonly string[]): void {
    this.#rawHeaders = new RawFields({ rawHeaders })
    try {
      this.#handler.onResponseStart?.(this, status, toFields(rawHeaders), '')
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  onHead({ status, statusText = '', headers }: CallResponse, raw: RawHead): void {
    this.#hasHead = true
    this.#rawHeaders = new RawFields(raw)
    try {
      this.#handler.onResponseStarted?.()
      // undici's handlers modify the object that they get.
      this.#handler.onResponseStart?.(this, status, { ...headers } as Record<string, string | string[]>, statusText)
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  onData(chunk: Uint8Array): void {
    try {
      this.#handler.onResponseData?.(this, chunk as Buffer)
    } catch (thrown) {
      this.#endWith(thrown)
    }
  }

  onEnd(rawTrailers: readonly string[]): void {
    this.#isOver = true
    this.#rawTrailers = rawTrailers
    try {
      this.#handler.onResponseEnd?.(this, toFields(rawTrailers))
    } catch (thrown) {
      // undici's own handlers throw here to reject the response and retry.
      this.#handler.onResponseError?.(this, thrown as Error)
    }
  }

  onUpgrade(socket: Duplex, rawHeaders: readonly string[]): void {
    this.#isOver = true
    this.#rawHeaders = new RawFields({ rawHeaders })
    if (!this.#handler.onRequestUpgrade) {
      socket.destroy()
      return
    }
    try {
      this.#handler.onRequestUpgrade(this, 101, toFields(rawHeaders), socket)
    } catch (thrown) {
      socket.destroy(thrown as Error)
    }
  }

  onError(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handler.onResponseError?.(this, this.reason ?? this.#translate(error))
  }

  /** An exception in the handler ends the request, and the handler receives it as an error. */
  #endWith(thrown: unknown): void {
    this.abort(thrown as Error)
  }

  #translate(error: Error): Error {
    const { headersTimeout, bodyTimeout } = this.#limits
    const code = error instanceof SdError ? error.code : undefined
    return toDispatcherError(error, {
      head: headersTimeout != null && !this.#hasHead && code === 'SD_DEADLINE_EXCEEDED',
      body: bodyTimeout != null && this.#hasHead && code === 'SD_TIMEOUT',
    })
  }
}

/** Raw fields as in undici: created on access, which is rare. */
class RawFields {
  readonly #raw: RawHead
  #buffers: Buffer[] | undefined

  constructor(raw: RawHead) {
    this.#raw = raw
  }

  get buffers(): Buffer[] {
    this.#buffers ??= this.#raw.rawHeaders.map(toBuffer)
    return this.#buffers
  }
}

function toBuffer(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Fields by name in lower case; a repeated one is a list, as in undici. */
function toFields(raw: readonly string[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {}
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase()
    const value = raw[index + 1] as string
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined
    // An assignment would set the prototype.
    if (name === '__proto__') Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true })
    else if (before === undefined) fields[name] = value
    else if (Array.isArray(before)) before.push(value)
    else fields[name] = [before, value]
  }
  return fields
}

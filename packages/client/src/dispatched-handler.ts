import type { Duplex } from 'node:stream'
import { SdError } from '@sd/core'
import { type Dispatcher, errors } from 'undici'
import type { ForwardHandler } from './forward.ts'
import type { Forwarding } from './forwarding.ts'

/** One call that undici code makes: hands what comes to its handler, and takes its orders. */
export class DispatchedHandler implements Dispatcher.DispatchController, ForwardHandler {
  readonly #handler: Dispatcher.DispatchHandler
  rawHeaders: Buffer[] | null = null
  rawTrailers: Buffer[] | null = null
  reason: Error | null = null
  paused = false
  #forwarding: Forwarding | undefined
  #isOver = false

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler
  }

  get aborted(): boolean {
    return this.reason !== null
  }

  /** Starts the call. */
  begin(forwarding: Forwarding): void {
    this.#forwarding = forwarding
    this.#handler.onRequestStart?.(this, {})
    if (!this.reason) forwarding.start()
    else queueMicrotask(() => this.onError(this.reason as Error))
  }

  /** The request is not made. */
  refuse(error: Error): void {
    this.onError(error)
  }

  abort(reason: Error): void {
    if (this.reason || this.#isOver) return
    this.reason = reason
    this.#forwarding?.abort(new SdError('SD_ABORTED', 'The request was aborted', { cause: reason }))
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
    this.rawHeaders = toBuffers(rawHeaders)
    this.#handler.onResponseStart?.(this, status, toFields(rawHeaders), '')
  }

  onResponse(status: number, statusText: string, rawHeaders: readonly string[]): void {
    this.rawHeaders = toBuffers(rawHeaders)
    this.#handler.onResponseStart?.(this, status, toFields(rawHeaders), statusText)
  }

  onData(chunk: Uint8Array): void {
    this.#handler.onResponseData?.(this, chunk as Buffer)
  }

  onEnd(rawTrailers: readonly string[]): void {
    this.#isOver = true
    this.rawTrailers = toBuffers(rawTrailers)
    this.#handler.onResponseEnd?.(this, toFields(rawTrailers))
  }

  onUpgrade(socket: Duplex, rawHeaders: readonly string[]): void {
    this.#isOver = true
    this.rawHeaders = toBuffers(rawHeaders)
    if (!this.#handler.onRequestUpgrade) {
      socket.destroy()
      return
    }
    this.#handler.onRequestUpgrade(this, 101, toFields(rawHeaders), socket)
  }

  onError(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    const failure = this.reason ?? toUndiciError(error)
    this.reason ??= failure
    this.#handler.onResponseError?.(this, failure)
  }
}

/** Limits of undici's own end with its errors; all others are the client's. */
function toUndiciError(error: Error): Error {
  if (!SdError.isInstance(error) || error.code !== 'SD_TIMEOUT' || !error.message.startsWith('Nothing of the response'))
    return error
  const timeout = new errors.BodyTimeoutError(error.message)
  timeout.cause = error
  return timeout
}

function toBuffers(raw: readonly string[]): Buffer[] {
  return raw.map((text) => Buffer.from(text, 'latin1'))
}

/** Fields by name in lower case; a repeated one is a list, as undici has it. */
function toFields(raw: readonly string[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {}
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase()
    const value = raw[index + 1] as string
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (before === undefined) fields[name] = value
    else if (Array.isArray(before)) before.push(value)
    else fields[name] = [before, value]
  }
  return fields
}

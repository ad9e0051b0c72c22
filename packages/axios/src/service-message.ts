import { Readable } from 'node:stream'
import type { ServiceResponse } from '@sd/client'

/** Header fields as in Node: only `set-cookie` is a list. */
export type MessageHeaders = Record<string, string | readonly string[]>

/** The response of a service as axios reads it: the part of `http.IncomingMessage` that it uses. */
export class ServiceMessage extends Readable {
  readonly statusCode: number
  readonly statusMessage: string
  readonly headers: MessageHeaders
  /** The request to which it belongs. */
  readonly req: object
  readonly #response: ServiceResponse
  readonly #onError: (error: unknown) => void
  readonly #chunks: AsyncIterator<Uint8Array>

  /** @param onError receives the error that ends the body early */
  constructor(request: object, response: ServiceResponse, onError: (error: unknown) => void) {
    super()
    this.req = request
    this.statusCode = response.status
    this.statusMessage = response.statusText
    this.headers = readHeaders(response)
    this.#response = response
    this.#onError = onError
    this.#chunks = response.body[Symbol.asyncIterator]()
  }

  override _read(): void {
    void this.#pull()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#response.cancel()
    done(error)
  }

  async #pull(): Promise<void> {
    try {
      const { done, value } = await this.#chunks.next()
      if (!this.destroyed) this.push(done ? null : value)
    } catch (error) {
      if (this.destroyed) return
      this.#onError(error)
      // As IncomingMessage does, before its error.
      this.emit('aborted')
      this.destroy(error as Error)
    }
  }
}

function readHeaders(response: ServiceResponse): MessageHeaders {
  const headers: MessageHeaders = {}
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = typeof value === 'string' || name === 'set-cookie' ? value : value.join(', ')
  }
  return headers
}

import { Readable } from 'node:stream'
import { SdError } from '@sd/core'
import { describeKind } from './request-check.ts'

/**
 * The error of a request body that fails or breaks off. Its origin is the caller: it does not count against an instance
 * and is not retried.
 */
export function bodyError(thrown: unknown): SdError {
  if (thrown instanceof SdError && thrown.origin === 'caller') return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new SdError('SD_ABORTED', `The request body failed: ${reason}`, { cause: thrown, origin: 'caller' })
}

/** A chunk of a body as bytes. Text is encoded as UTF-8, as in Node streams. @throws SdError `SD_INVALID` for anything else */
function toChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  throw new SdError('SD_INVALID', `Invalid body: a part is ${describeKind(chunk)}, want bytes or text`, {
    field: 'body',
    origin: 'caller',
  })
}

/** Message for a body whose length differs from its `content-length`. */
export const LENGTH_MESSAGE = 'The request body is longer or shorter than its content-length'

/** The error of such a body. */
export function lengthError(): SdError {
  return new SdError('SD_INVALID', LENGTH_MESSAGE, {
    field: 'body',
    origin: 'caller',
  })
}

/** Fails as soon as a body does not match its `content-length`, before the peer resets the stream. */
export async function* keepLength(body: AsyncIterable<unknown>, length: number): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const part of body) {
    const chunk = toChunk(part)
    left -= chunk.length
    if (left < 0) throw lengthError()
    yield chunk
  }
  if (left > 0) throw lengthError()
}

/** The exchange may have ended, and with it the listener. */
function ignore(): void {}

/**
 * Any iterable as a Node stream whose errors all have the origin `caller`. It touches the iterable at the first read
 * only, so that the body can be sent to another endpoint if no connection was made.
 */
export class UploadStream extends Readable {
  /** Whether it began to read the iterable, which can't be read again. */
  hasBegun = false
  readonly #body: AsyncIterable<unknown>
  #iterator: AsyncIterator<unknown> | undefined

  constructor(body: AsyncIterable<unknown>) {
    super()
    this.#body = body
    this.on('error', ignore)
  }

  override _read(): void {
    void this.#pull()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    void this.#leave()
    done(error)
  }

  async #pull(): Promise<void> {
    try {
      this.hasBegun = true
      this.#iterator ??= this.#body[Symbol.asyncIterator]()
      for (;;) {
        const { done, value } = await this.#iterator.next()
        if (this.destroyed) return
        const chunk = done ? null : toChunk(value)
        // An empty chunk would not cause another read.
        if (chunk?.length === 0) continue
        this.push(chunk)
        return
      }
    } catch (error) {
      this.destroy(bodyError(error))
    }
  }

  /** Lets the iterable clean up; an error of the cleanup is ignored. */
  async #leave(): Promise<void> {
    try {
      await this.#iterator?.return?.()
    } catch {
      // The result is not needed.
    }
  }
}

/** A pushed body as a Node stream. */
export class PushedStream extends Readable {
  readonly #onDrain: () => void
  #isFull = false

  constructor(onDrain: () => void) {
    super()
    this.#onDrain = onDrain
    this.on('error', ignore)
  }

  override _read(): void {
    if (!this.#isFull) return
    this.#isFull = false
    this.#onDrain()
  }

  /** Takes a chunk; returns false if the caller should wait. */
  write(chunk: Uint8Array): boolean {
    if (chunk.length > 0 && !this.push(chunk)) this.#isFull = true
    return !this.#isFull
  }

  /** Ends the body. */
  end(): void {
    this.push(null)
  }
}

/**
 * Any iterable as a web stream whose errors all have the origin `caller`. @param onFail receives an error, because
 * `fetch` may wrap or drop it
 */
export function toWebStream(body: AsyncIterable<unknown>, onFail: (error: SdError) => void): ReadableStream<Uint8Array> {
  let iterator: AsyncIterator<unknown> | undefined
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          iterator ??= body[Symbol.asyncIterator]()
          const { done, value } = await iterator.next()
          if (done) controller.close()
          else controller.enqueue(toChunk(value))
        } catch (error) {
          const failure = bodyError(error)
          onFail(failure)
          controller.error(failure)
        }
      },
      async cancel() {
        await iterator?.return?.()
      },
    },
    // As with a Node stream, nothing is read before it is requested.
    { highWaterMark: 0 },
  )
}

/** A pushed body as a web stream. */
export class PushedWebStream {
  readonly stream: ReadableStream<Uint8Array>
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined

  constructor(onDrain: () => void) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => onDrain(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 65_536 }),
    )
  }

  /** Takes a chunk; returns false if the caller should wait. */
  write(chunk: Uint8Array): boolean {
    this.#controller?.enqueue(chunk)
    return (this.#controller?.desiredSize ?? 0) > 0
  }

  /** Ends the body. */
  end(): void {
    this.#controller?.close()
  }

  /** Ends the stream with an error. */
  fail(error: SdError): void {
    this.#controller?.error(error)
  }
}

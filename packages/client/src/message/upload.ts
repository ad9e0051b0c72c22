import { Readable } from 'node:stream'
import { SdError } from '@sd/core'
import { describeKind } from './request-check.ts'

/** The error of a request body that fails or is broken off: the caller's own, so that it is held against nobody and not repeated. */
export function bodyError(thrown: unknown): SdError {
  if (thrown instanceof SdError && thrown.origin === 'caller') return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new SdError('SD_ABORTED', `The request body failed: ${reason}`, { cause: thrown, origin: 'caller' })
}

/** A part of a body as bytes. Text is encoded as UTF-8, as streams of Node do. @throws SdError `SD_INVALID` for anything else */
function toChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  throw new SdError('SD_INVALID', `Invalid body: a part is ${describeKind(chunk)}, want bytes or text`, {
    field: 'body',
    origin: 'caller',
  })
}

/** What is told of a body that is not as long as its `content-length` says. */
export const LENGTH_MESSAGE = 'The request body is longer or shorter than its content-length'

/** The error of such a body. */
export function lengthError(): SdError {
  return new SdError('SD_INVALID', LENGTH_MESSAGE, {
    field: 'body',
    origin: 'caller',
  })
}

/** A body that fails where it is not as long as its `content-length` says, before the peer resets the stream for it. */
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

/** The exchange may have ended, and with it who listens. */
function ignore(): void {}

/**
 * A body of any iterable as a stream of Node, whose errors are all the caller's. It touches the iterable at the first read only, so that it can be
 * sent to another endpoint if no connection was made.
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
        // An empty chunk would not lead to another read.
        if (chunk?.length === 0) continue
        this.push(chunk)
        return
      }
    } catch (error) {
      this.destroy(bodyError(error))
    }
  }

  /** Lets the iterable clean up. What it fails with then has no meaning. */
  async #leave(): Promise<void> {
    try {
      await this.#iterator?.return?.()
    } catch {
      // Nobody waits for it.
    }
  }
}

/** A pushed body as a stream of Node. */
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

  /** Takes a part; false if that is enough for now. */
  write(chunk: Uint8Array): boolean {
    if (chunk.length > 0 && !this.push(chunk)) this.#isFull = true
    return !this.#isFull
  }

  /** Nothing more comes. */
  end(): void {
    this.push(null)
  }
}

/** A body of any iterable as a web stream, whose errors are all the caller's. @param onFail told of an error, which `fetch` may wrap or lose */
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
    // As with a stream of Node, nothing is read before it is asked for.
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

  /** Takes a part; false if that is enough for now. */
  write(chunk: Uint8Array): boolean {
    this.#controller?.enqueue(chunk)
    return (this.#controller?.desiredSize ?? 0) > 0
  }

  /** Nothing more comes. */
  end(): void {
    this.#controller?.close()
  }

  /** Ends it before its time. */
  fail(error: SdError): void {
    this.#controller?.error(error)
  }
}

import { SdError } from '@sd/core'

/** Bytes that are buffered before the body is read. Smaller bodies complete without a reader. */
const highWaterBytes = 65_536

/** The part of an exchange that a body needs. */
export interface BodySource {
  /** Resumes the flow. */
  resume(): void
  /** Ends the exchange. */
  cancel(error: SdError): void
}

/** Receives a body chunk by chunk. */
export interface BodySink {
  /** Receives a chunk. Returns false to pause until {@link ResponseBody.resume}. */
  onData(chunk: Uint8Array): boolean
  /** The body has ended. @param error reason of a premature end */
  onEnd(error: SdError | undefined): void
}

/** Consumer of a copy of a body. */
interface BodyTap {
  /** Bytes that still fit. */
  left: number
  readonly chunks: Uint8Array[]
  readonly onComplete: (body: Uint8Array) => void
}

/** Shared by bodies without chunks; never modified. */
const none: Uint8Array[] = []

function asTheyAre(bytes: Uint8Array): Uint8Array {
  return bytes
}

/** Adds a chunk; returns `undefined`, which removes the tap, if it does not fit. */
function addTo(tap: BodyTap, chunk: Uint8Array): BodyTap | undefined {
  tap.left -= chunk.length
  if (tap.left < 0) return undefined
  tap.chunks.push(chunk)
  return tap
}

/** The error of a body that is larger than `maxResponseBytes`. */
export function tooLargeError(limit: number): SdError {
  return new SdError('SD_TOO_LARGE', `The response body is larger than maxResponseBytes = ${limit}`)
}

/** A response body: fed by a transport, read once, by iteration or as a whole. */
export class ResponseBody implements AsyncIterable<Uint8Array> {
  readonly #source: BodySource
  #chunks: Uint8Array[] = none
  #bytes = 0
  #paused = false
  #done = false
  #error: SdError | undefined
  /** Wakes the reader that waits for a chunk. */
  #wake: (() => void) | undefined
  /** Most bytes to buffer while the body is read as a whole. */
  #limit = 0
  #used = false
  #tap: BodyTap | undefined
  #sink: BodySink | undefined
  #isSinkPaused = false

  constructor(source: BodySource) {
    this.#source = source
  }

  /** Whether it is being read, was read, or was cancelled. */
  get isUsed(): boolean {
    return this.#used
  }

  /** Takes a chunk; returns false to ask for a pause. */
  push(chunk: Uint8Array): boolean {
    if (this.#sink && this.#chunks.length === 0 && !this.#isSinkPaused) {
      if (this.#tap) this.#tap = addTo(this.#tap, chunk)
      this.#isSinkPaused = !this.#sink.onData(chunk)
      this.#paused = this.#isSinkPaused
      return !this.#paused
    }
    // Most bodies have one chunk; a growing list allocates room for 17.
    if (this.#chunks.length === 0) this.#chunks = [chunk]
    else this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#tap) this.#tap = addTo(this.#tap, chunk)
    if (this.#limit > 0) {
      if (this.#bytes > this.#limit) this.#wake?.()
      return true
    }
    this.#wake?.()
    // Chunks that still arrive after a pause was requested do not end it.
    this.#paused ||= this.#bytes >= highWaterBytes
    return !this.#paused
  }

  /** Completes the body. */
  end(): void {
    this.#done = true
    this.#wake?.()
    if (this.#tap && !this.#error) this.#tap.onComplete(Buffer.concat(this.#tap.chunks))
    this.#flush()
  }

  /** Passes all chunks to a sink as they arrive, without a promise for each. */
  pipe(sink: BodySink): void {
    this.#use()
    this.#sink = sink
    this.#flush()
  }

  /** Buffers chunks until {@link ResponseBody.resume}, and asks for a pause when the buffer grows large. */
  pause(): void {
    if (this.#sink) this.#isSinkPaused = true
  }

  /** Resumes after a sink asked for a pause. */
  resume(): void {
    if (!this.#isSinkPaused) return
    this.#isSinkPaused = false
    this.#flush()
  }

  /** Ends the body with an error. */
  fail(error: SdError): void {
    this.#error = error
    this.end()
  }

  /**
   * Passes a copy of the complete body to `onComplete`, unless it is larger than `maxBytes`. Call it before the body is
   * read.
   */
  tap(maxBytes: number, onComplete: (body: Uint8Array) => void): void {
    let tap: BodyTap | undefined = { left: maxBytes, chunks: [], onComplete }
    for (const chunk of this.#chunks) tap = tap && addTo(tap, chunk)
    this.#tap = tap
    if (this.#done) this.end()
  }

  /** Reads the whole body. @throws SdError `SD_TOO_LARGE` over `limit` bytes; the rest is not read */
  readAll(limit: number): Promise<Uint8Array> {
    return this.readAs(limit, asTheyAre)
  }

  /**
   * Reads the whole body and converts the bytes, with a single promise: an async function would add another one and a
   * generator.
   *
   * @throws SdError `SD_TOO_LARGE` over `limit` bytes; the rest is not read
   */
  readAs<T>(limit: number, convert: (bytes: Uint8Array) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#use()
      this.#limit = limit
      const look = (): void => {
        if (!this.#done && this.#bytes <= limit) return
        this.#wake = undefined
        if (this.#bytes > limit) reject(this.#refuseRest(limit))
        else if (this.#error) reject(this.#error)
        else resolve(convert(this.#joinChunks()))
      }
      this.#wake = look
      this.#resumeSource()
      look()
    })
  }

  /** Ends the exchange, but not while it passes a chunk. */
  #refuseRest(limit: number): SdError {
    const error = tooLargeError(limit)
    queueMicrotask(() => this.#source.cancel(error))
    return error
  }

  #joinChunks(): Uint8Array {
    const [first] = this.#chunks
    return this.#chunks.length === 1 && first ? first : Buffer.concat(this.#chunks, this.#bytes)
  }

  /** Drops the remaining body and ends the exchange, unless it is complete. */
  cancel(): void {
    this.#used = true
    this.#chunks = []
    if (!this.#done) this.#source.cancel(new SdError('SD_ABORTED', 'The response body was cancelled'))
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#use()
    return {
      next: async () => {
        for (;;) {
          const chunk = this.#chunks.shift()
          if (chunk) {
            this.#bytes -= chunk.length
            if (this.#bytes < highWaterBytes) this.#resumeSource()
            return { done: false, value: chunk }
          }
          if (this.#error) throw this.#error
          if (this.#done) return { done: true, value: undefined }
          await this.#more()
        }
      },
      return: async () => {
        this.cancel()
        return { done: true, value: undefined }
      },
    }
  }

  #flush(): void {
    const sink = this.#sink
    if (!sink) return
    while (this.#chunks.length > 0 && !this.#isSinkPaused) {
      const chunk = this.#chunks.shift() as Uint8Array
      this.#bytes -= chunk.length
      this.#isSinkPaused = !sink.onData(chunk)
    }
    if (this.#chunks.length > 0 && !this.#error) return
    if (this.#done) {
      this.#sink = undefined
      sink.onEnd(this.#error)
    } else if (!this.#isSinkPaused) this.#resumeSource()
  }

  #use(): void {
    if (this.#used) throw new SdError('SD_INVALID', 'The response body was already read or cancelled')
    this.#used = true
  }

  #resumeSource(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#source.resume()
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

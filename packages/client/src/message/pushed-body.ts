import type { PreparedBody } from './request-body.ts'

/** Target that a pushed body is written to. */
interface BodyTarget {
  write(chunk: Uint8Array): boolean
  end(trailers?: readonly string[]): void
}

/** Bytes that are buffered before there is a connection; above that the caller is asked to wait. */
const highWaterBytes = 65_536

/**
 * A request body that its caller pushes. Written chunks are kept, up to a limit, for another attempt: all of them until
 * an attempt begins, afterwards only while the whole body so far is small enough.
 */
export class PushedBody implements PreparedBody {
  /** Always null: the body is pushed. */
  readonly body = null
  readonly #replayBytes: number
  #kept: Uint8Array[] = []
  #keptBytes = 0
  /** Whether `#kept` holds everything that was written. */
  #isWhole = true
  #isReleased = false
  #isEnded = false
  #trailers: readonly string[] | undefined
  #target: BodyTarget | undefined
  #isSent = false

  /** @param replayBytes most bytes that are kept for another attempt */
  constructor(replayBytes: number) {
    this.#replayBytes = replayBytes
  }

  /** Whether the body can be sent again from its beginning. */
  get replayable(): boolean {
    return this.#isWhole && this.#keptBytes <= this.#replayBytes
  }

  /** Whether the beginning of the body was sent and is no longer kept. */
  get isDropped(): boolean {
    return !this.#isWhole
  }

  /** Takes a chunk. @returns false if the caller should wait until the exchange drains */
  write(chunk: Uint8Array): boolean {
    if (this.#isEnded) return true
    if (this.#isWhole) this.#keep(chunk)
    if (this.#target) return this.#target.write(chunk)
    return this.#keptBytes < highWaterBytes
  }

  /** Ends the body. */
  end(trailers?: readonly string[]): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#trailers = trailers
    this.#target?.end(trailers)
  }

  /** Sends the kept chunks to an exchange, and from now on all written ones. */
  attach(target: BodyTarget): void {
    this.#target = target
    this.#isSent = false
    for (const chunk of this.#kept) target.write(chunk)
    if (this.#isEnded) target.end(this.#trailers)
  }

  /** The exchange has a connection: from now on the peer may see the body. */
  noteSent(): void {
    this.#isSent = true
    this.#forget()
  }

  /** The exchange has ended: further chunks are kept for another one, if possible. */
  detach(target: BodyTarget): void {
    if (this.#target === target) this.#target = undefined
  }

  /** Releases the kept chunks: there will be no other attempt. */
  release(): void {
    this.#isReleased = true
    this.#forget()
  }

  #keep(chunk: Uint8Array): void {
    this.#kept.push(chunk)
    // An empty chunk may be a whole message, as in gRPC: it is kept and dropped like other chunks.
    this.#keptBytes += Math.max(1, chunk.length)
    this.#forget()
  }

  /** Drops the chunks that are not needed: all of them if they were sent and are too large to be sent again. */
  #forget(): void {
    if (!this.#isReleased && (!this.#target || !this.#isSent || this.#keptBytes <= this.#replayBytes)) return
    this.#isWhole = false
    this.#kept = []
  }
}

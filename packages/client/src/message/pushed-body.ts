import type { PreparedBody } from './request-body.ts'

/** What a pushed body is written to. */
interface BodyTarget {
  write(chunk: Uint8Array): boolean
  end(trailers?: readonly string[]): void
}

/** Before there is a connection, this much is taken in before the caller is asked to wait, in bytes. */
const highWaterBytes = 65_536

/**
 * A request body that its caller pushes. What was written is kept, up to a limit, so that another attempt can be given it: before an attempt
 * begins all of it, afterwards only while the whole body so far is small enough.
 */
export class PushedBody implements PreparedBody {
  /** It is pushed. */
  readonly body = null
  readonly #replayBytes: number
  #kept: Uint8Array[] = []
  #keptBytes = 0
  /** Whether everything that was written is in `#kept`. */
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

  /** Whether it can be sent again from its beginning. */
  get replayable(): boolean {
    return this.#isWhole && this.#keptBytes <= this.#replayBytes
  }

  /** Whether its beginning was sent, and is not kept any more. */
  get isDropped(): boolean {
    return !this.#isWhole
  }

  /** Takes a chunk. @returns false to ask the caller to wait for the exchange to drain */
  write(chunk: Uint8Array): boolean {
    if (this.#isEnded) return true
    if (this.#isWhole) this.#keep(chunk)
    if (this.#target) return this.#target.write(chunk)
    return this.#keptBytes < highWaterBytes
  }

  /** Nothing more comes. */
  end(trailers?: readonly string[]): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#trailers = trailers
    this.#target?.end(trailers)
  }

  /** Sends what was kept to an exchange, and from now on what is written. */
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

  /** The exchange has ended: what is written is kept for another one, if that is possible. */
  detach(target: BodyTarget): void {
    if (this.#target === target) this.#target = undefined
  }

  /** No other attempt will be made. */
  release(): void {
    this.#isReleased = true
    this.#forget()
  }

  #keep(chunk: Uint8Array): void {
    this.#kept.push(chunk)
    // An empty chunk may be a whole message, as in gRPC: it is kept and dropped like others.
    this.#keptBytes += Math.max(1, chunk.length)
    this.#forget()
  }

  /** Drops what is not needed: all of it once it was sent and is too much to be sent again. */
  #forget(): void {
    if (!this.#isReleased && (!this.#target || !this.#isSent || this.#keptBytes <= this.#replayBytes)) return
    this.#isWhole = false
    this.#kept = []
  }
}

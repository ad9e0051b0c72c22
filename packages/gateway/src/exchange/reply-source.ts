import type { ForwardControl } from '@sd/client'
import type { ReplyStream } from '../filters/filter.ts'

/** The body of a response that a filter or protocol writes piece by piece, controlled as that of a service. */
export class ReplySource implements ForwardControl {
  readonly #stream: ReturnType<ReplyStream>
  readonly #open: Set<ReplySource>
  #isPaused = false

  /** @param open those in progress */
  constructor(
    create: ReplyStream,
    open: Set<ReplySource>,
    owner: {
      onData(chunk: Uint8Array): void
      onEnd(rawTrailers: readonly string[]): void
      onTransformError(thrown: unknown): void
    },
  ) {
    this.#open = open.add(this)
    this.#stream = create({
      write: (chunk) => {
        owner.onData(chunk)
        return !this.#isPaused
      },
      end: (rawTrailers = []) => owner.onEnd(rawTrailers),
      fail: (error) => owner.onTransformError(error),
    })
  }

  write(): boolean {
    return true
  }

  end(): void {}

  beginDrain(): void {
    this.#stream.beginDrain?.()
  }

  abort(): void {
    this.#open.delete(this)
    this.#stream.destroy?.()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#stream.resume?.()
  }
}

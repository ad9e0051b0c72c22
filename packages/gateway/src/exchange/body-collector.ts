import type { ForwardControl } from '@sd/client'

/** Collects a body for something that depends on all of it. */
export class BodyCollector implements ForwardControl {
  readonly #maxBytes: number
  readonly #onBody: (body: Uint8Array | undefined, rawTrailers: readonly string[]) => void
  readonly #onError: (thrown: unknown) => void
  #chunks: Uint8Array[] = []
  #bytes = 0
  #isOver = false

  /** @param onBody receives `undefined` for a longer body. What it throws goes to `onError` */
  constructor(
    maxBytes: number,
    onBody: (body: Uint8Array | undefined, rawTrailers: readonly string[]) => void,
    onError: (thrown: unknown) => void,
  ) {
    this.#maxBytes = maxBytes
    this.#onBody = onBody
    this.#onError = onError
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isOver) return true
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#maxBytes) this.#finish(undefined, [])
    else this.#chunks.push(chunk)
    return true
  }

  end(rawTrailers: readonly string[] = []): void {
    this.#finish(Buffer.concat(this.#chunks), rawTrailers)
  }

  abort(): void {
    this.#isOver = true
  }

  destroy(): void {
    this.abort()
  }

  pause(): void {}

  resume(): void {}

  #finish(body: Uint8Array | undefined, rawTrailers: readonly string[]): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#chunks = []
    try {
      this.#onBody(body, rawTrailers)
    } catch (thrown) {
      this.#onError(thrown)
    }
  }
}

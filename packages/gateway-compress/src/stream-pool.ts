import type { Transform } from 'node:stream'

/** Counts the streams that encode or decode: each one has up to some megabytes. */
export class StreamPool {
  readonly #limit: number
  #open = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether no further stream may be added. */
  get isFull(): boolean {
    return this.#open >= this.#limit
  }

  /** Counts a stream until it has closed. */
  add<T extends Transform>(stream: T): T {
    this.#open++
    stream.once('close', () => this.#open--)
    return stream
  }
}

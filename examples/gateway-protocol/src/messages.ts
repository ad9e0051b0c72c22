import { Transform } from 'node:stream'

/** Octets of the length before each message. */
const headBytes = 4

/** A message with its length before it, as four octets. */
export function encodeMessage(message: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(message.byteLength)
  return Buffer.concat([head, message])
}

/** Passes octets on as they arrive, and fails at a message that is too long: none of it is kept. */
export class MessageLimit extends Transform {
  readonly #maxBytes: number
  #head = 0
  #headLength = 0
  /** Octets of the current message that are still to come. */
  #left = 0

  constructor(maxBytes: number) {
    super()
    this.#maxBytes = maxBytes
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, chunk?: Buffer) => void): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const size = Math.min(this.#left, chunk.length - at)
        this.#left -= size
        at += size
        continue
      }
      this.#head = this.#head * 256 + (chunk[at++] as number)
      if (++this.#headLength < headBytes) continue
      if (this.#head > this.#maxBytes) {
        done(new Error('A message is too long'))
        return
      }
      this.#left = this.#head
      this.#head = 0
      this.#headLength = 0
    }
    done(null, chunk)
  }
}

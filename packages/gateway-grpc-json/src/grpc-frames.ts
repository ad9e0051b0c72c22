import { SdError } from '@sd/core'

/** Flag of a compressed message, and its length (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
const prefixBytes = 5

/** A message with its prefix. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(prefixBytes + message.byteLength)
  frame.writeUInt8(0, 0)
  frame.writeUInt32BE(message.byteLength, 1)
  frame.set(message, prefixBytes)
  return frame
}

/** Takes the messages out of their frames, however these arrive. */
export class FrameReader {
  readonly #maxBytes: number
  #rest: Buffer = Buffer.alloc(0)

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether no message is incomplete. */
  get isEmpty(): boolean {
    return this.#rest.length === 0
  }

  /** @returns the messages that are complete now @throws SdError `SD_MALFORMED` */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = []
    let data =
      this.#rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([this.#rest, chunk])
    while (data.length >= prefixBytes) {
      const length = data.readUInt32BE(1)
      if (data[0] !== 0) throw malformed('a compressed message')
      if (length > this.#maxBytes) throw malformed(`a message of more than ${this.#maxBytes} bytes`)
      if (data.length < prefixBytes + length) break
      messages.push(data.subarray(prefixBytes, prefixBytes + length))
      data = data.subarray(prefixBytes + length)
    }
    this.#rest = Buffer.from(data)
    return messages
  }
}

function malformed(what: string): SdError {
  return new SdError('SD_MALFORMED', `The response of the service has ${what}`, { origin: 'peer' })
}

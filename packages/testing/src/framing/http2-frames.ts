import { decodeFields, encodeFields } from './hpack.ts'
import type { FramingField } from './http1-reader.ts'

/** Types of frames (RFC 9113 6) that the suite sends or reads. */
export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

/** Flags of frames. */
export const frameFlags = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const

/** A frame as received. */
export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** Largest payload of a frame that a peer must accept without its settings. */
const maxPayload = 16_384

/** What a client of HTTP/2 sends first. */
export const clientPreface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Writes one frame, valid or not. */
export function writeFrame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Writes a SETTINGS frame with these identifiers and values. */
export function writeSettings(settings: Readonly<Record<number, number>>): Buffer {
  const payload = Object.entries(settings).map(([id, value]) => {
    const entry = Buffer.alloc(6)
    entry.writeUInt16BE(Number(id), 0)
    entry.writeUInt32BE(value, 2)
    return entry
  })
  return writeFrame(frameTypes.settings, 0, 0, Buffer.concat(payload))
}

/** Writes a field section: HEADERS and, where it is too long for one frame, CONTINUATION. The fields may be forbidden ones. */
export function writeFieldSection(stream: number, fields: readonly FramingField[], endStream: boolean): Buffer {
  const block = encodeFields(fields)
  const frames: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += maxPayload) {
    const flags =
      (at === 0 && endStream ? frameFlags.endStream : 0) | (at + maxPayload >= block.length ? frameFlags.endHeaders : 0)
    frames.push(
      writeFrame(at === 0 ? frameTypes.headers : frameTypes.continuation, flags, stream, block.subarray(at, at + maxPayload)),
    )
  }
  return Buffer.concat(frames)
}

/** Writes DATA of a text in latin1, or of octets. */
export function writeData(stream: number, data: string | Uint8Array, endStream: boolean): Buffer {
  const payload = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
  return writeFrame(frameTypes.data, endStream ? frameFlags.endStream : 0, stream, payload)
}

/** Splits bytes into frames, and joins field sections that CONTINUATION frames continue. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0)
  #section: Frame | undefined
  readonly #onFrame: (frame: Frame) => void

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3)
      if (this.#bytes.length < 9 + length) return
      const frame: Frame = {
        type: this.#bytes.readUInt8(3),
        flags: this.#bytes.readUInt8(4),
        stream: this.#bytes.readUInt32BE(5) & 0x7fff_ffff,
        payload: this.#bytes.subarray(9, 9 + length),
      }
      this.#bytes = this.#bytes.subarray(9 + length)
      this.#read(frame)
    }
  }

  #read(frame: Frame): void {
    const { type, flags } = frame
    if (type !== frameTypes.headers && type !== frameTypes.continuation) {
      this.#onFrame(frame)
      return
    }
    const before = this.#section
    const section: Frame = before
      ? { ...before, payload: Buffer.concat([before.payload, frame.payload]) }
      : { ...frame, payload: withoutPadding(frame) }
    this.#section = flags & frameFlags.endHeaders ? undefined : section
    if (!this.#section) this.#onFrame(section)
  }
}

/** Fields of a HEADERS frame that `FrameReader` has joined. @throws Error for a block that is not valid */
export function readFieldSection(frame: Frame): readonly FramingField[] {
  return decodeFields(frame.payload)
}

/** The payload of a DATA or HEADERS frame without padding and priority. */
export function withoutPadding({ type, flags, payload }: Frame): Buffer {
  const isPadded = (flags & frameFlags.padded) !== 0
  const start = (isPadded ? 1 : 0) + (type === frameTypes.headers && flags & frameFlags.priority ? 5 : 0)
  return payload.subarray(start, payload.length - (isPadded ? (payload[0] ?? 0) : 0))
}

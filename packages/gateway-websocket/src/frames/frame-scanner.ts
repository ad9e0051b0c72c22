import type { FrameOwner, ScannerOptions } from './frame-owner.ts'
import { opcodes } from './opcodes.ts'

/** The longest payload of a control frame (RFC 6455, 5.5). */
const mostControlBytes = 125

/**
 * Finds the frames in the bytes of one direction, without their payloads: these are passed on as they arrive. Incomplete heads
 * and control frames are held back, so that another frame can be sent between any two of those that were passed on.
 */
export class FrameScanner {
  /** Complete messages, whose last frame has begun. */
  messages = 0
  /** Bytes of payloads, as they are on the wire. */
  bytes = 0
  /** Frames that the peer has sent by itself, and not in response to one of the gateway. */
  frames = 0
  /** Whether `onBoundary` is called at the end of the current frame. */
  wantsBoundary = false
  readonly #owner: FrameOwner
  readonly #isMasked: boolean
  readonly #maxMessageBytes: number
  /** Payload of the current frame that has not arrived. */
  #left = 0
  #held: Buffer | undefined
  #isFragmented = false
  #messageBytes = 0
  #isStopped = false
  /** Of the chunk that is being read: the first byte that was not passed on. */
  #from = 0

  constructor(owner: FrameOwner, { isMasked, maxMessageBytes }: ScannerOptions) {
    this.#owner = owner
    this.#isMasked = isMasked
    this.#maxMessageBytes = Math.min(maxMessageBytes, Number.MAX_SAFE_INTEGER)
  }

  /** Whether what was passed on ends with a frame. */
  get isAtBoundary(): boolean {
    return this.#left === 0
  }

  /** Drops all that follows. */
  stop(): void {
    this.#isStopped = true
    this.#held = undefined
  }

  read(chunk: Buffer): void {
    if (this.#isStopped) return
    const data = this.#held ? Buffer.concat([this.#held, chunk]) : chunk
    this.#held = undefined
    this.#from = 0
    let at = 0
    while (at < data.length && !this.#isStopped) {
      if (this.#left > 0) at = this.#skip(data, at)
      else {
        const next = this.#readFrame(data, at)
        if (next === at) {
          this.#pass(data, at)
          // A copy: the rest of a large chunk would stay in memory with it.
          if (!this.#isStopped) this.#held = Buffer.from(data.subarray(at))
          return
        }
        at = next
      }
    }
    this.#pass(data, at)
  }

  /** Passes over the payload of the current frame. */
  #skip(data: Buffer, at: number): number {
    const length = Math.min(this.#left, data.length - at)
    this.#left -= length
    if (this.#left === 0 && this.wantsBoundary) this.#reachBoundary(data, at + length)
    return at + length
  }

  #reachBoundary(data: Buffer, at: number): void {
    this.#pass(data, at)
    this.wantsBoundary = false
    this.#owner.onBoundary()
  }

  #pass(data: Buffer, end: number): void {
    if (end > this.#from && !this.#isStopped)
      this.#owner.onBytes(this.#from === 0 && end === data.length ? data : data.subarray(this.#from, end))
    this.#from = end
  }

  /** @returns where it ends, or the payload of a data frame begins; `at` if its head, or a control frame, is incomplete */
  #readFrame(data: Buffer, at: number): number {
    const available = data.length - at
    if (available < 2) return at
    const first = data[at] as number
    const second = data[at + 1] as number
    const opcode = first & 0x0f
    const isFinal = first >= 0x80
    const isMasked = second >= 0x80
    const short = second & 0x7f
    if (isMasked !== this.#isMasked) return this.#refuse(data, at, 1002, isMasked ? 'masked frame' : 'frame without a mask')
    if (opcode >= opcodes.close) {
      if (opcode > opcodes.pong) return this.#refuse(data, at, 1002, 'unknown opcode')
      if (!isFinal || short > mostControlBytes) return this.#refuse(data, at, 1002, 'invalid control frame')
      const size = (isMasked ? 6 : 2) + short
      return available < size ? at : this.#readControl(data, at, { opcode, size })
    }
    const size = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (isMasked ? 4 : 0)
    if (available < size) return at
    if (opcode > opcodes.binary) return this.#refuse(data, at, 1002, 'unknown opcode')
    if ((opcode === opcodes.continuation) !== this.#isFragmented) return this.#refuse(data, at, 1002, 'fragment out of order')
    const length = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : readLength(data, at + 2)
    this.#messageBytes += length
    if (this.#messageBytes > this.#maxMessageBytes)
      return this.#refuse(data, at, 1009, `more than ${this.#maxMessageBytes} bytes`)
    this.#beginFrame(length, isFinal)
    if (length === 0 && this.wantsBoundary) this.#reachBoundary(data, at + size)
    return at + size
  }

  #beginFrame(length: number, isFinal: boolean): void {
    this.#left = length
    this.#isFragmented = !isFinal
    this.frames++
    this.bytes += length
    if (!isFinal) return
    this.messages++
    this.#messageBytes = 0
  }

  #readControl(data: Buffer, at: number, { opcode, size }: { readonly opcode: number; readonly size: number }): number {
    const frame = data.subarray(at, at + size)
    if (opcode === opcodes.close) {
      this.#pass(data, at)
      this.stop()
      this.#owner.onClose(Buffer.from(frame))
    } else if (this.#owner.onControl(opcode, frame)) this.frames++
    else {
      this.#pass(data, at)
      this.#from = at + size
    }
    if (this.wantsBoundary && !this.#isStopped) this.#reachBoundary(data, at + size)
    return at + size
  }

  #refuse(data: Buffer, at: number, code: number, reason: string): number {
    this.#pass(data, at)
    this.stop()
    this.#owner.onViolation(code, reason)
    return at
  }
}

/** Beyond the range of exact integers it is not exact, but then it is above every limit. */
function readLength(data: Buffer, at: number): number {
  return data.readUInt32BE(at) * 2 ** 32 + data.readUInt32BE(at + 4)
}

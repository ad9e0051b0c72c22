import type { Duplex } from 'node:stream'
import { closeCodeOf, payloadOf, writeClose, writePing } from '../frames/control-frames.ts'
import type { FrameOwner } from '../frames/frame-owner.ts'
import { FrameScanner } from '../frames/frame-scanner.ts'
import { opcodes } from '../frames/opcodes.ts'

/** The two peers of a relay. */
export type Side = 'client' | 'service'

/** Receives the events of a direction. */
export interface FlowOwner {
  /** The sender has sent a CLOSE. */
  onClose(from: Side, code: number): void
  /** The sender breaks the protocol or its limits. */
  onViolation(from: Side, code: number, reason: string): void
  /** The sender has ended its side, or its connection is closed. */
  onSenderGone(from: Side): void
  /** Nothing more is sent in this direction. */
  onClosed(from: Side): void
}

/** Where a flow is. */
export interface FlowParts {
  readonly side: Side
  readonly from: Duplex
  readonly to: Duplex
  readonly owner: FlowOwner
  readonly maxMessageBytes: number
  /** Payload of the PINGs of the gateway: the responses to them are not passed on. */
  readonly pingPayload: Buffer
}

/** One direction of a relay. Frames of the gateway are sent between those of the sender. */
export class Flow implements FrameOwner {
  readonly scanner: FrameScanner
  /** Whether the sender has sent anything since this was reset. */
  hasHeard = true
  /** Whether the receiver has read after it had let the sender wait, since this was reset. */
  hasDrained = false
  /** Whether the sender has sent its CLOSE, or its connection has ended: nothing is expected from it. */
  isDone = false
  /** Whether the receiver has got a CLOSE. */
  isClosed = false
  readonly #parts: FlowParts
  readonly #masks: boolean
  #pending: Buffer | undefined
  #replacement: Buffer | undefined

  constructor(parts: FlowParts) {
    const { side, from, to, maxMessageBytes } = parts
    this.#parts = parts
    this.#masks = side === 'client'
    this.scanner = new FrameScanner(this, { isMasked: this.#masks, maxMessageBytes })
    from.on('data', (chunk: Buffer) => {
      this.hasHeard = true
      this.scanner.read(chunk)
    })
    from.on('end', () => this.#onGone())
    from.on('close', () => this.#onGone())
    from.on('error', ignore)
    to.on('drain', () => {
      this.hasDrained = true
      from.resume()
    })
    from.resume()
  }

  /** Whether the sender waits for the receiver. */
  get isPaused(): boolean {
    return this.#parts.from.isPaused()
  }

  /** Sends a CLOSE to the receiver as soon as a frame has ended. Later frames of the sender are dropped. */
  close(code: number, reason: string): void {
    if (this.isClosed || this.#pending || !this.#parts.to.writable) return
    this.#pending = this.#replacement ?? writeClose(code, reason, this.#masks)
    // Its peer must be able to send what ends the frame.
    this.#parts.from.resume()
    this.#whenBoundary()
  }

  /** The receiver has left: what the sender sends is dropped. */
  abandon(): void {
    this.isClosed = true
    this.#parts.from.resume()
  }

  /** The receiver gets this CLOSE instead of that of the sender. */
  replaceClose(code: number, reason: string): void {
    this.#replacement ??= writeClose(code, reason, this.#masks)
  }

  /** Sends a PING. @returns whether it could be sent: not within a frame */
  ping(): boolean {
    if (this.isClosed || !this.scanner.isAtBoundary || !this.#parts.to.writable) return false
    this.#parts.to.write(writePing(this.#parts.pingPayload, this.#masks))
    return true
  }

  onBytes(chunk: Buffer): void {
    if (this.isClosed || !this.#parts.to.writable) return
    const { from, to } = this.#parts
    if (!to.write(chunk)) from.pause()
  }

  onBoundary(): void {
    const frame = this.#pending
    if (frame) this.#write(frame)
  }

  onControl(opcode: number, frame: Buffer): boolean {
    return opcode !== opcodes.pong || !payloadOf(frame).equals(this.#parts.pingPayload)
  }

  onClose(frame: Buffer): void {
    this.isDone = true
    if (!this.isClosed) this.#write(this.#pending ?? this.#replacement ?? frame)
    this.#parts.owner.onClose(this.#parts.side, closeCodeOf(frame))
  }

  onViolation(code: number, reason: string): void {
    this.isDone = true
    this.#parts.owner.onViolation(this.#parts.side, code, reason)
  }

  #whenBoundary(): void {
    if (this.scanner.isAtBoundary) this.onBoundary()
    else this.scanner.wantsBoundary = true
  }

  #write(frame: Buffer): void {
    this.isClosed = true
    if (this.#parts.to.writable) this.#parts.to.write(frame)
    this.#parts.from.resume()
    this.#parts.owner.onClosed(this.#parts.side)
  }

  #onGone(): void {
    this.isDone = true
    this.#parts.owner.onSenderGone(this.#parts.side)
  }
}

function ignore(): void {
  // Its close follows.
}

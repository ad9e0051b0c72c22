/** What a scanner of frames expects. */
export interface ScannerOptions {
  /** Whether frames are masked: those of clients are. */
  readonly isMasked: boolean
  readonly maxMessageBytes: number
}

/** Receives what a scanner finds. */
export interface FrameOwner {
  /** Bytes to pass on. */
  onBytes(chunk: Buffer): void
  /** What was passed on ends with a frame. */
  onBoundary(): void
  /** A complete PING or PONG. @returns whether it is passed on, with the bytes around it */
  onControl(opcode: number, frame: Buffer): boolean
  /** A complete CLOSE. Nothing is read after it. */
  onClose(frame: Buffer): void
  /** The peer breaks the protocol or its limits. Nothing is read after it. @param code of the CLOSE that it gets */
  onViolation(code: number, reason: string): void
}

import { randomBytes } from 'node:crypto'
import { opcodes } from './opcodes.ts'

/** A control frame. @param isMasked whether it goes to a service: frames of a client are masked */
function writeControl(opcode: number, payload: Buffer, isMasked: boolean): Buffer {
  const head = Buffer.from([0x80 | opcode, payload.length | (isMasked ? 0x80 : 0)])
  if (!isMasked) return Buffer.concat([head, payload])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, toggleMask(payload, mask)])
}

/** A CLOSE frame. @param reason of at most 123 bytes */
export function writeClose(code: number, reason: string, isMasked: boolean): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return writeControl(opcodes.close, payload, isMasked)
}

export function writePing(payload: Buffer, isMasked: boolean): Buffer {
  return writeControl(opcodes.ping, payload, isMasked)
}

/** The payload of a complete control frame. */
export function payloadOf(frame: Buffer): Buffer {
  if ((frame[1] as number) < 0x80) return frame.subarray(2)
  return toggleMask(frame.subarray(6), frame.subarray(2, 6))
}

/** The code of a CLOSE frame; 1005 if it has none (RFC 6455, 7.1.5). */
export function closeCodeOf(frame: Buffer): number {
  const payload = payloadOf(frame)
  return payload.length < 2 ? 1005 : payload.readUInt16BE()
}

function toggleMask(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (mask[index & 3] as number)))
}

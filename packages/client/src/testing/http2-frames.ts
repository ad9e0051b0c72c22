import { createServer, type Server, type Socket } from 'node:net'
import { frameTypes, writeFrame } from '@sd/testing'

/** A frame of HTTP/2, by the name of its type. */
export function frame(type: keyof typeof frameTypes, flags: number, streamId: number, payload?: Uint8Array): Buffer {
  return writeFrame(frameTypes[type], flags, streamId, payload)
}

/** A 32-bit number, as in RST_STREAM and other frames. */
export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index)
  return bytes
}

/** `:status: 200` in HPACK's static table. */
export const status200: Buffer = Buffer.from([0x88])

export const endStream = 1
export const endHeaders = 4

/** A server that sends the given frames after a request, and never replies to a PING. */
export function createFrameServer(onRequest: (socket: Socket, streamId: number) => void): Server {
  return createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write(frame('settings', 0, 0))
    let bytes = Buffer.alloc(0)
    let isPreface = true
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (isPreface && bytes.length < 24) return
      if (isPreface) bytes = bytes.subarray(24)
      isPreface = false
      while (bytes.length >= 9) {
        const length = bytes.readUIntBE(0, 3)
        if (bytes.length < 9 + length) return
        const [type, flags, streamId] = [bytes.readUInt8(3), bytes.readUInt8(4), bytes.readUInt32BE(5)]
        bytes = bytes.subarray(9 + length)
        if (type === frameTypes.settings && flags === 0) socket.write(frame('settings', 1, 0))
        if (type === frameTypes.headers) onRequest(socket, streamId)
      }
    })
  })
}

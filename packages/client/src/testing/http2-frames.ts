import { createServer, type Server, type Socket } from 'node:net'

/** Frame types of RFC 9113, 6. */
export const frameTypes = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7 } as const

/** A frame of HTTP/2. */
export function frame(
  type: keyof typeof frameTypes,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(frameTypes[type], 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

/** A 32-bit number, as RST_STREAM and others have them. */
export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index)
  return bytes
}

/** `:status: 200` in HPACK's static table. */
export const status200: Buffer = Buffer.from([0x88])

export const endStream = 1
export const endHeaders = 4

/** A server that sends the frames it is told when a request came, and never answers a PING. */
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

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { clientPreface, encodeFields, frameTypes, writeFrame } from '@sd/testing'
import { onTestFinished } from 'vitest'

/** Fields of a GET request. */
export const getFields: Buffer = encodeFields([
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'shop.example'],
  [':path', '/'],
])

/** Opens a connection with preface and SETTINGS. `ended` has the error code of the GOAWAY frame, if there was one. */
export async function openRawSession(port: number): Promise<{ socket: Socket; ended: Promise<number | undefined> }> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  let received: Buffer = Buffer.alloc(0)
  let code: number | undefined
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
      const end = 9 + received.readUIntBE(0, 3)
      if (received[3] === 7) code = received.readUInt32BE(13)
      received = received.subarray(end)
    }
  })
  const ended = new Promise<number | undefined>((resolve) => void socket.once('close', () => resolve(code)))
  socket.write(clientPreface)
  socket.write(writeFrame(frameTypes.settings, 0, 0))
  return { socket, ended }
}

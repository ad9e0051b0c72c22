import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns'
import { Duplex } from 'node:stream'
import type { Transport, TransportHandler } from '@sd/client'
import { type Endpoint, SdError } from '@sd/core'

/** Most responses of a session that wait to be sent. */
const maxWaiting = 64

/** A socket that is connected to one instance, as a stream of datagrams. An unreachable port is its error. */
class ServiceSocket extends Duplex {
  readonly #socket: Socket

  constructor(socket: Socket) {
    super({ objectMode: true, readableHighWaterMark: maxWaiting, writableHighWaterMark: maxWaiting })
    this.#socket = socket
    socket.on('message', (message) => {
      // A session whose client is slow loses datagrams, as the network does.
      if (this.readableLength < maxWaiting) this.push(message)
    })
    socket.on('error', (cause) => {
      this.destroy(new SdError('SD_UNAVAILABLE', cause.message, { cause, origin: 'network', retryable: true }))
    })
  }

  override _read(): void {}

  override _write(message: Uint8Array, _encoding: string, done: () => void): void {
    // The system reports an unreachable port with the next datagram.
    this.#socket.send(message, (error) => {
      if (error) this.#socket.emit('error', error)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.close(() => done(error))
  }
}

/** Opens sockets to instances. */
export const udpTransport: Transport = {
  name: 'udp',
  send({ instance: { address, port } }: Endpoint, _request: unknown, handler: TransportHandler) {
    let isOver = false
    let socket: Socket | undefined
    function fail(error: SdError): void {
      if (isOver) return
      isOver = true
      socket?.close()
      handler.onError(error, false)
    }
    function failWith(cause: Error): void {
      fail(new SdError('SD_UNAVAILABLE', cause.message, { cause, origin: 'network', retryable: true }))
    }
    lookup(address, (error, host, family) => {
      if (isOver) return
      if (error) {
        failWith(error)
        return
      }
      socket = createSocket(family === 6 ? 'udp6' : 'udp4')
      socket.once('error', failWith)
      socket.connect(port, host, () => {
        if (isOver) return
        isOver = true
        socket?.off('error', failWith)
        handler.onUpgrade?.(101, {}, new ServiceSocket(socket as Socket))
      })
    })
    const nothing = (): void => {}
    return { rawHeaders: [], rawTrailers: [], write: () => true, end: nothing, resume: nothing, abort: fail }
  },
  close: async () => {},
}

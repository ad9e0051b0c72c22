import { connect } from 'node:net'
import type { Transport } from '@sd/client'
import { SdError } from '@sd/core'

/** Opens a connection to an instance. The client picks it, and tries another one if it can't be reached. */
export const tcpTransport: Transport = {
  name: 'messages',
  send({ instance }, _request, handler) {
    const socket = connect({ host: instance.address, port: instance.port, allowHalfOpen: true, noDelay: true })
    const fail = (cause: Error): void => {
      handler.onError(
        new SdError('SD_UNAVAILABLE', `The instance ${instance.id} can't be reached`, { retryable: true, cause }),
        false,
      )
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      handler.onUpgrade?.(101, {}, socket)
    })
    const abort = (): void => void socket.destroy()
    return { rawHeaders: [], rawTrailers: [], write: () => true, end() {}, resume() {}, abort }
  },
  close: async () => {},
}

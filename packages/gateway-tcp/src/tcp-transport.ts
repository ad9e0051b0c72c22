import { connect } from 'node:net'
import type { Transport, TransportHandler } from '@sd/client'
import { type Endpoint, SdError } from '@sd/core'
import type { ResolvedTcpOptions } from './tcp-options.ts'

/** Faults of this host, which are none of the instance. */
const localCodes: ReadonlySet<string | undefined> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
])

/** Opens connections to instances. @param header is sent before anything else */
export function createTcpTransport({ connectMs, keepAliveMs }: ResolvedTcpOptions, header: Buffer | undefined): Transport {
  function send({ instance }: Endpoint, _request: unknown, handler: TransportHandler) {
    const socket = connect({
      host: instance.address,
      port: instance.port,
      noDelay: true,
      allowHalfOpen: true,
      keepAlive: keepAliveMs > 0,
      keepAliveInitialDelay: keepAliveMs,
    })
    let isOver = false
    const timer = setTimeout(() => {
      fail(new SdError('SD_UNAVAILABLE', `No connection within ${connectMs} ms`, { origin: 'network', retryable: true }))
    }, connectMs)

    function fail(error: SdError): void {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      socket.destroy()
      handler.onError(error, false)
    }
    function begin(): void {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (header) socket.write(header)
      handler.onUpgrade?.(101, {}, socket)
    }

    socket.once('connect', begin)
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      const origin = localCodes.has(cause.code) ? 'local' : 'network'
      fail(new SdError('SD_UNAVAILABLE', cause.message, { cause, origin, retryable: origin === 'network' }))
    })
    const nothing = (): void => {}
    return { rawHeaders: [], rawTrailers: [], write: () => true, end: nothing, resume: nothing, abort: fail }
  }
  return { name: 'tcp', send, close: async () => {} }
}

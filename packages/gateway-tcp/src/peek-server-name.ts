import type { Socket } from 'node:net'
import { SdError } from '@sd/core'
import { readClientHello } from './client-hello.ts'

/** Most bytes of a ClientHello. */
const maxBytes = 16_384

/**
 * Waits for the server name of a TLS client. The bytes stay in the socket, which is paused afterwards.
 *
 * @returns `undefined` for a client without one, one that does not speak TLS, and one that sends nothing: in some protocols the
 * server begins
 * @throws SdError `SD_TIMEOUT` for half of a ClientHello, `SD_TOO_LARGE` beyond 16 KiB, `SD_ABORTED` if the client leaves
 */
export function peekServerName(socket: Socket, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let first: Buffer = Buffer.alloc(0)
    const timer = setTimeout(() => {
      if (first.length === 0) settle(undefined)
      else fail(new SdError('SD_TIMEOUT', `The client sent no whole ClientHello within ${timeoutMs} ms`))
    }, timeoutMs)

    function stop(): void {
      clearTimeout(timer)
      socket.off('data', read).off('close', leave).off('end', leave)
      socket.pause()
    }
    function settle(serverName: string | undefined): void {
      stop()
      if (first.length > 0) socket.unshift(first)
      resolve(serverName)
    }
    function fail(error: SdError): void {
      stop()
      reject(error)
    }
    function read(chunk: Buffer): void {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk])
      const hello = readClientHello(first.subarray(0, maxBytes))
      if (hello.kind === 'hello') settle(hello.serverName)
      else if (hello.kind === 'other') settle(undefined)
      else if (first.length >= maxBytes) fail(new SdError('SD_TOO_LARGE', 'The ClientHello is longer than 16 KiB'))
    }
    function leave(): void {
      fail(new SdError('SD_ABORTED', 'The client closed the connection before it was connected'))
    }

    socket.on('data', read).once('close', leave).once('end', leave)
    socket.resume()
  })
}

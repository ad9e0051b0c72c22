import type { Socket } from 'node:net'
import { SdError } from '@sd/core'

/** The first bytes of an HTTP/2 connection (RFC 9113, 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Most bytes that protocols are shown. */
const maxBytes = 16_384

/** A protocol that may be selected. */
export interface SelectableProtocol {
  /** Whether a connection that begins with these bytes is its; `undefined` if it needs more. @default all are */
  readonly recognise?: ((first: Uint8Array) => boolean | undefined) | undefined
  /** Whether it is on HTTP: its clients begin. */
  readonly isHttp: boolean
}

/** Recognises HTTP/2 by its preface. */
export function recogniseHttp2(first: Uint8Array): boolean | undefined {
  const length = Math.min(first.length, preface.length)
  if (preface.compare(first, 0, length, 0, length) !== 0) return false
  return length === preface.length || undefined
}

/** Recognises TLS by the record of a handshake (RFC 8446, 5.1). */
export function recogniseTls(first: Uint8Array): boolean | undefined {
  if (first[0] !== 22) return first.length === 0 ? undefined : false
  return first.length < 2 ? undefined : first[1] === 3
}

/** Recognises HTTP/1 by a method, and a space behind it. Node.js knows no method with more characters. */
export function recogniseHttp1(first: Uint8Array): boolean | undefined {
  for (let index = 0; index < first.length; index++) {
    const byte = first[index] as number
    if (byte === 32) return index >= 3
    const isLetter = byte >= 65 && byte <= 90
    if (index > 16 || !(isLetter || byte === 45)) return false
  }
  return undefined
}

/**
 * Finds out by its first bytes which protocol a client speaks, however few of them arrive at a time. The bytes stay in the
 * socket, which is paused afterwards.
 *
 * @param protocols are asked in their order; the first that does not deny the bytes decides
 * @throws SdError `SD_TIMEOUT` if the bytes do not decide it in time, `SD_ABORTED` if the client leaves, `SD_INVALID` if no
 * protocol wants the bytes
 */
export function selectProtocol<T extends SelectableProtocol>(
  socket: Socket,
  protocols: readonly T[],
  timeoutMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let first: Buffer = Buffer.alloc(0)
    const timer = setTimeout(onTimeout, timeoutMs)

    function stop(): void {
      clearTimeout(timer)
      socket.off('data', read).off('close', leave).off('end', leave)
      socket.pause()
    }

    function select(protocol: T): void {
      stop()
      if (first.length > 0) socket.unshift(first)
      resolve(protocol)
    }

    function fail(error: SdError): void {
      stop()
      reject(error)
    }

    function read(chunk: Buffer): void {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk])
      const shown = first.subarray(0, maxBytes)
      for (const protocol of protocols) {
        const isOwn = protocol.recognise ? protocol.recognise(shown) : true
        if (isOwn) {
          select(protocol)
          return
        }
        if (isOwn === undefined && first.length < maxBytes) return
      }
      fail(new SdError('SD_INVALID', 'The listener has no protocol for what the client sent'))
    }

    /** In some protocols the server begins. */
    function onTimeout(): void {
      const last = protocols.at(-1)
      if (first.length === 0 && last && !last.recognise && !last.isHttp) select(last)
      else fail(new SdError('SD_TIMEOUT', 'The first bytes of the client did not tell its protocol in time'))
    }

    function leave(): void {
      fail(new SdError('SD_ABORTED', 'The client closed the connection before its first request'))
    }

    socket.on('data', read).once('close', leave).once('end', leave)
    // Whatever has read before may have paused it.
    socket.resume()
  })
}

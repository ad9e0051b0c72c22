import type { IncomingMessage } from 'node:http'

/** Bytes of an unused body that are read to its end. */
export const lingerBytes = 65_536

/** How long that may take, in milliseconds. */
const lingerMs = 1_000

/** Bytes of the body that a request announces: `Infinity` if it is chunked. */
export function bodyLength(rawHeaders: readonly string[]): number {
  let length = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    if (name === 'transfer-encoding') return Number.POSITIVE_INFINITY
    if (name === 'content-length') length = Number(rawHeaders[index + 1])
  }
  return length
}

/**
 * Reads and drops the rest of a body, within limits: a connection that closes while data arrives is reset, and the client may
 * not see the response (RFC 9112, 9.6).
 */
export class Linger {
  readonly #timer: NodeJS.Timeout
  /** Reads no more. */
  readonly finish: (isRead: boolean) => void

  /** @param onEnd receives whether the body has been read to its end */
  constructor(request: IncomingMessage, onEnd: (isRead: boolean) => void) {
    let bytes = 0
    let isOver = false
    const finish = (isRead: boolean) => {
      if (isOver) return
      isOver = true
      clearTimeout(this.#timer)
      onEnd(isRead)
    }
    this.finish = finish
    this.#timer = setTimeout(finish, lingerMs, false)
    request.on('data', (chunk: Uint8Array) => {
      bytes += chunk.byteLength
      if (bytes > lingerBytes) finish(false)
    })
    request.on('end', () => finish(true))
    request.resume()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

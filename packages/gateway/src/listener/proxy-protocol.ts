import type { Socket } from 'node:net'
import { type ProxiedSource, readProxyHeader } from './proxy-header.ts'

/** How the wait for a PROXY header ended. */
export type ProxyHeaderEnd =
  | { readonly kind: 'received'; readonly source: ProxiedSource | undefined }
  /** The connection is to be closed. */
  | { readonly kind: 'refused'; readonly detail: string }

/**
 * Takes the PROXY header off a connection. The bytes behind it stay in the socket, for the TLS handshake or the parser. The
 * socket is paused when `onEnd` is called, which happens once, unless the socket closes before.
 *
 * @param timeoutMs until the header is complete
 * @returns a function that stops waiting
 */
export function receiveProxyHeader(socket: Socket, timeoutMs: number, onEnd: (end: ProxyHeaderEnd) => void): () => void {
  let bytes: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => finish({ kind: 'refused', detail: `no PROXY header within ${timeoutMs} ms` }), timeoutMs)

  function stop(): void {
    clearTimeout(timer)
    socket.off('readable', read)
    socket.off('close', stop)
  }
  function finish(end: ProxyHeaderEnd): void {
    stop()
    onEnd(end)
  }
  function read(): void {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const header = readProxyHeader(bytes)
    if (header.kind === 'incomplete') return
    if (header.kind === 'invalid') {
      finish({ kind: 'refused', detail: header.detail })
      return
    }
    stop()
    // `readable` listeners leave a socket in paused mode; the next reader decides about the flow.
    if (header.length < bytes.length) socket.unshift(bytes.subarray(header.length))
    onEnd({ kind: 'received', source: header.source })
  }

  socket.on('readable', read)
  socket.on('close', stop)
  return stop
}

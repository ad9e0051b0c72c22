import type { Duplex } from 'node:stream'
import type { Refusal } from './admission.ts'
import { hasBody, type NodeRequest, type NodeResponse } from './node-request.ts'

/** Node discards a body up to this size and keeps the connection. */
const keptBodyBytes = 65_536
/**
 * How many bytes of a larger body are discarded, and for how long, before the connection is closed, so that the caller can
 * read the response.
 */
const lingerBytes = 262_144
const lingerMs = 1_000

/**
 * Responds to a refused request without reading its body. If the body is large or of unknown length, the connection is
 * closed, but only after the caller had time to read the response and stop: resetting a connection during an upload would
 * destroy the response.
 */
export function refuse(request: NodeRequest, response: NodeResponse, { status, headers, body }: Refusal): void {
  if (response.headersSent) return
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if ('stream' in response) {
    // RFC 9113, 8.1: asks the caller to stop, without an error.
    if (hasBody(request)) response.once('finish', () => response.stream.close(0))
    response.end(body)
    return
  }
  if (!hasBody(request) || request.readableEnded || Number(request.headers['content-length']) <= keptBodyBytes) {
    response.end(body)
    return
  }
  response.setHeader('connection', 'close')
  response.write(body)
  drop(request, () => response.end())
}

/** Reads and discards a body for a limited time. */
function drop(request: NodeRequest, onEnd: () => void): void {
  let leftBytes = lingerBytes
  const timer = setTimeout(end, lingerMs)
  timer.unref?.()
  function end(): void {
    clearTimeout(timer)
    request.off('data', count).off('end', end).off('close', end)
    onEnd()
  }
  function count(chunk: Uint8Array): void {
    leftBytes -= chunk.length
    if (leftBytes <= 0) end()
  }
  request.on('data', count).once('end', end).once('close', end)
}

const reasons: Readonly<Record<Refusal['status'], string>> = {
  408: 'Request Timeout',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** Responds on the connection itself, if there is no response object or if the application owns it, and closes the connection. */
export function refuseRaw(socket: Duplex, { status, headers, body }: Refusal): void {
  const fields = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  // Errors of this connection no longer matter.
  socket.on('error', () => {})
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${reasons[status]}\r\n${fields.join('')}\r\n${body}`)
}

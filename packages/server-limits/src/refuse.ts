import type { Duplex } from 'node:stream'
import type { Refusal } from './admission.ts'
import { hasBody, type NodeRequest, type NodeResponse } from './node-request.ts'

/** A body up to this size is dropped by Node, and the connection lives on. */
const keptBodyBytes = 65_536
/** How much more of a larger body is dropped before the connection ends, and for how long: so that the caller reads the answer before. */
const lingerBytes = 262_144
const lingerMs = 1_000

/**
 * Answers a request that is refused, without reading its body. With a large one, or one of unknown length, the connection ends: after the caller had
 * a moment to read the answer and stop, because a connection that is reset under an upload takes the answer with it.
 */
export function refuse(request: NodeRequest, response: NodeResponse, { status, headers, body }: Refusal): void {
  if (response.headersSent) return
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if ('stream' in response) {
    // RFC 9113, 8.1: the caller is asked to stop without an error.
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

/** Reads and drops a body for a while. */
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

/** Answers on the connection itself, where there is no response, or it is the application's; and ends the connection. */
export function refuseRaw(socket: Duplex, { status, headers, body }: Refusal): void {
  const fields = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  // What this connection fails with now is nobody's concern.
  socket.on('error', () => {})
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${reasons[status]}\r\n${fields.join('')}\r\n${body}`)
}

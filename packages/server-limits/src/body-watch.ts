import { hasBody, type NodeRequest, type NodeResponse } from './node-request.ts'

/**
 * Watches the body of an admitted request: a caller that stops in the middle of a body must not keep its place. Measures
 * only the time for which the application waits for the caller, not the reverse.
 *
 * @param onIdle called once if no data arrived for `idleMs`
 */
export function watchBody(request: NodeRequest, response: NodeResponse, idleMs: number, onIdle: () => void): void {
  if (!hasBody(request)) return
  if ('stream' in request) {
    const { stream } = request
    const look = (): void => {
      if (request.complete || stream.readableEnded) stream.setTimeout(0)
      else if (request.readableLength === 0 && stream.readableLength === 0) onIdle()
      else stream.setTimeout(idleMs, look)
    }
    stream.setTimeout(idleMs, look)
    request.once('end', () => stream.setTimeout(0))
    return
  }
  const { socket } = request
  let seen = socket.bytesRead
  const timer = setInterval(() => {
    if (request.complete) {
      clearInterval(timer)
      return
    }
    const isWaitedFor = request.readableLength === 0
    if (isWaitedFor && socket.bytesRead === seen) {
      clearInterval(timer)
      onIdle()
    }
    seen = socket.bytesRead
  }, idleMs)
  timer.unref?.()
  const stop = (): void => clearInterval(timer)
  request.once('end', stop)
  response.once('close', stop)
}

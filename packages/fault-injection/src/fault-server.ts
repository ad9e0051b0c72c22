import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { ResolvedRule } from './fault-settings.ts'

interface FaultyRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse<IncomingMessage> & { req: IncomingMessage }
  readonly rule: ResolvedRule
  readonly delayMs: number
  readonly application: RequestListener
}

/** Handles a request with the chosen fault. */
export function handleWithFault({ request, response, rule, delayMs, application }: FaultyRequest): void {
  const { error, cutAfterBytes } = rule
  function handle(): void {
    response.off('close', giveUp)
    if (error === 'unavailable') {
      request.socket.destroy()
    } else if (error !== undefined) {
      request.resume()
      response.writeHead(error, { 'content-type': 'text/plain' }).end(`injected by ${rule.name}\n`)
    } else {
      if (cutAfterBytes !== undefined) cutResponse(response, cutAfterBytes)
      application(request, response)
    }
  }
  const timer = setTimeout(handle, delayMs)
  const giveUp = (): void => clearTimeout(timer)
  response.on('close', giveUp)
}

/** Destroys the connection once `bytes` of the body have been written. */
function cutResponse(response: ServerResponse, bytes: number): void {
  const { write, end } = response
  let left = bytes
  /** Writes the bytes that are still allowed. @returns whether the response continues */
  function pass(chunk: unknown, encoding: unknown): boolean {
    const data = typeof chunk === 'string' ? Buffer.from(chunk, toEncoding(encoding)) : (chunk as Uint8Array)
    if (data.length <= left) {
      left -= data.length
      return true
    }
    const destroy = (): void => void response.socket?.destroy()
    if (left > 0) write.call(response, data.subarray(0, left), 'utf8', destroy)
    else {
      response.flushHeaders()
      setImmediate(destroy)
    }
    left = 0
    response.write = () => false
    response.end = () => response
    return false
  }
  response.write = (chunk: unknown, ...rest: unknown[]): boolean =>
    pass(chunk, rest[0]) && Reflect.apply(write, response, [chunk, ...rest])
  response.end = (...values: unknown[]) => {
    const [chunk, encoding] = values
    const hasChunk = typeof chunk === 'string' || chunk instanceof Uint8Array
    return !hasChunk || pass(chunk, encoding) ? Reflect.apply(end, response, values) : response
  }
}

function toEncoding(encoding: unknown): BufferEncoding {
  return typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8'
}

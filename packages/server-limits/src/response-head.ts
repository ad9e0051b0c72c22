import type { NodeResponse } from './node-request.ts'

/**
 * Calls back when the head of a response is written, and reports whether an event stream follows. Node has no event for
 * that, so the function that writes all heads is wrapped, on this response only.
 */
export function watchHead(response: NodeResponse, onHead: (isStream: boolean) => void): void {
  if ('stream' in response) {
    const { stream } = response
    const { respond } = stream
    stream.respond = (headers, options) => {
      respond.call(stream, headers, options)
      onHead(isEventStream(findContentType(headers)))
    }
    return
  }
  const { writeHead } = response
  response.writeHead = (...values: unknown[]) => {
    const result = Reflect.apply(writeHead, response, values)
    onHead(isEventStream(findContentType(values.at(-1)) ?? response.getHeader('content-type')))
    return result
  }
}

/** The content type in the arguments of `writeHead`: an object, pairs, or a flat list. */
function findContentType(fields: unknown): unknown {
  if (typeof fields !== 'object' || fields === null) return undefined
  if (!Array.isArray(fields)) return Object.entries(fields).find(([name]) => isContentType(name))?.[1]
  if (Array.isArray(fields[0])) return fields.find(([name]) => isContentType(name))?.[1]
  const at = fields.findIndex((name, index) => index % 2 === 0 && isContentType(name))
  return at === -1 ? undefined : fields[at + 1]
}

function isContentType(name: unknown): boolean {
  return typeof name === 'string' && name.toLowerCase() === 'content-type'
}

function isEventStream(value: unknown): boolean {
  return typeof value === 'string' && value.trimStart().toLowerCase().startsWith('text/event-stream')
}

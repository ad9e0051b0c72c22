import { randomUUID } from 'node:crypto'

/** Ids are written to headers and logs of every service, so only short, visible ASCII is accepted. Anything else can be an attack. */
const acceptable = /^[\x21-\x7e]{1,128}$/
const traceparent = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:$|-)/

/** The id, if it is acceptable. */
export function readId(value: unknown): string | undefined {
  return typeof value === 'string' && acceptable.test(value) ? value : undefined
}

/** The id, if it is acceptable, otherwise a new one. */
export function readOrMakeId(value: unknown): string {
  return readId(value) ?? randomUUID()
}

/** Id of the trace in a `traceparent` header. @see https://www.w3.org/TR/trace-context/#traceparent-header */
export function readTraceId(value: unknown): string | undefined {
  return typeof value === 'string' ? traceparent.exec(value)?.[1] : undefined
}

/** The path without its query, which can contain tokens. */
export function withoutQuery(path: string): string {
  const end = path.search(/[?#]/)
  return end === -1 ? path : path.slice(0, end)
}

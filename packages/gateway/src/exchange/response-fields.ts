import { isReserved } from './request-fields.ts'

const ofConnection: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'transfer-encoding',
  'upgrade',
])

/** Fields that decide before a body is read: in trailers they come too late (RFC 9110, 6.5.1). */
const notInTrailers: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'host',
  'set-cookie',
  'te',
  'trailer',
])

/**
 * Fields of a response as they are sent on: names in lower case, without those of one connection (RFC 9110, 7.6.1).
 *
 * @returns `undefined` if the body has another coding than chunks, which the transport has not removed
 */
export function readResponseFields(status: number, rawHeaders: readonly string[]): string[] | undefined {
  const fields: string[] = []
  let nominated: string | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase()
    const value = rawHeaders[index + 1] as string
    if (name === 'connection') nominated = nominated === undefined ? value : `${nominated},${value}`
    // RFC 9110, 8.6: these have no body, and a length in them makes clients wait for one.
    if (name === 'content-length' && (status < 200 || status === 204)) continue
    if (!ofConnection.has(name)) fields.push(name, value)
    else if (name === 'transfer-encoding' && value.toLowerCase() !== 'chunked') return undefined
  }
  if (nominated === undefined || /^\s*(?:close|keep-alive)\s*$/i.test(nominated)) return fields
  const names = new Set(nominated.split(',').map((name) => name.trim().toLowerCase()))
  names.delete('content-length')
  return fields.filter((_, index) => !names.has(fields[index - (index % 2)] as string))
}

/** Trailer fields as they are sent on: names in lower case, without those that only the gateway may set. */
export function readTrailers(rawTrailers: readonly string[]): readonly string[] {
  if (rawTrailers.length === 0) return rawTrailers
  const fields: string[] = []
  for (let index = 0; index < rawTrailers.length; index += 2) {
    const name = (rawTrailers[index] as string).toLowerCase()
    if (!ofConnection.has(name) && !notInTrailers.has(name) && !isReserved(name))
      fields.push(name, rawTrailers[index + 1] as string)
  }
  return fields
}

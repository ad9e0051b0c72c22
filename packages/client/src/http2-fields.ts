import type { Endpoint } from '@sd/core'
import { checkField } from './request-check.ts'
import type { TransportRequest } from './transport.ts'
import { fitLength, fitRawLength } from './undici-exchange.ts'

/** Header fields that HTTP/2 forbids (RFC 9113, 8.2.2). */
const forbidden: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** A request's fields as HTTP/2 has them: pseudo-header fields first, names and values in turn. */
export function headersOf(endpoint: Endpoint, request: TransportRequest): readonly string[] {
  const { method, path, body } = request
  const { origin } = endpoint
  const scheme = origin.slice(0, origin.indexOf(':'))
  const fields: string[] = []
  let authority = origin.slice(scheme.length + 3)
  let hasLength = false
  const add = (name: string, value: string): void => {
    if (name === 'host') authority = value
    if (name === 'content-length') hasLength = true
    // Of `te` only this may be sent.
    if (forbidden.has(name) || (name === 'te' && value !== 'trailers')) return
    fields.push(name, value)
  }
  const rawHeaders = fitRawLength(request)
  if (rawHeaders) {
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const [name, value] = [rawHeaders[index] as string, rawHeaders[index + 1] as string]
      // node:http2 sends what it is given.
      checkField('rawHeaders', name, value)
      add(name.toLowerCase(), value)
    }
  } else {
    const headers = fitLength(request)
    for (const name in headers) {
      checkField('headers', name, headers[name] as string)
      add(name, headers[name] as string)
    }
  }
  if (!hasLength && (typeof body === 'string' || body instanceof Uint8Array)) {
    fields.push('content-length', String(Buffer.byteLength(body)))
  }
  return [':method', method, ':scheme', scheme, ':authority', authority, ':path', path, ...fields]
}

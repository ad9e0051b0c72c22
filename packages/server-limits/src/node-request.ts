import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { readIpAddress } from '@sd/core'
import type { RequestHead } from './admission.ts'

/** A request of `node:http`, `node:https` or `node:http2`. */
export type NodeRequest = IncomingMessage | Http2ServerRequest
/** Its response. */
export type NodeResponse = ServerResponse | Http2ServerResponse

/** Reads the head of a request. @param source the framework's request, if it is another object */
export function readHead(request: NodeRequest, source: object = request): RequestHead {
  const { originalUrl } = source as { readonly originalUrl?: unknown }
  return {
    method: request.method ?? 'GET',
    // Express removes the mount path of a router from `url`.
    path: typeof originalUrl === 'string' ? originalUrl : (request.url ?? '/'),
    headers: request.headers,
    remoteAddress: addressOf(request.socket?.remoteAddress),
    source,
  }
}

/** Normalizes an address: a server that listens on IPv6 sees IPv4 addresses as `::ffff:192.0.2.1`. */
function addressOf(address: string | undefined): string | undefined {
  return address?.includes(':') ? (readIpAddress(address) ?? address) : address
}

/** Whether a request announces a body. */
export function hasBody(request: NodeRequest): boolean {
  if ('stream' in request) return !request.stream.endAfterHeaders
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}

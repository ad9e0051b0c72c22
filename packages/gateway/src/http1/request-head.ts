import type { IncomingMessage } from 'node:http'
import type { RequestHead } from '../exchange/request-fields.ts'

/** The head of a request as `node:http` has parsed it. @param upgrade the protocol that it changes to */
export function toRequestHead(
  request: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'httpVersionMinor'>,
  upgrade?: string,
): RequestHead {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    authority: undefined,
    rawHeaders: request.rawHeaders,
    version: request.httpVersionMinor === 0 ? '1.0' : '1.1',
    upgrade,
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { SdError } from '@sd/core'
import { hasField } from '../exchange/field-list.ts'
import type { RequestHead } from '../exchange/request-fields.ts'

const keyField = 'sec-websocket-key'
const acceptField = 'sec-websocket-accept'
const versionField = 'sec-websocket-version'

/** RFC 6455, 1.3. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The request of an extended CONNECT (RFC 8441), as it would be over HTTP/1.1. */
export interface ExtendedConnect {
  readonly head: RequestHead
  /** Key that the gateway has made, because HTTP/2 has none. */
  readonly key: string | undefined
}

/** @param head of a CONNECT request @param protocol value of `:protocol`, in lower case */
export function readExtendedConnect(head: RequestHead, protocol: string): ExtendedConnect {
  const upgraded = { ...head, method: 'GET', upgrade: protocol, isComplete: true }
  if (protocol !== 'websocket') return { head: upgraded, key: undefined }
  const key = randomBytes(16).toString('base64')
  const rawHeaders = [...withoutField(head.rawHeaders, keyField), keyField, key]
  if (!hasField(rawHeaders, versionField)) rawHeaders.push(versionField, '13')
  return { head: { ...upgraded, rawHeaders }, key }
}

/**
 * Fields of the response without those that only HTTP/1.1 has.
 *
 * @throws SdError `SD_MALFORMED` if the service has not understood the key: it may be a cache, or no WebSocket server
 */
export function readAccepted(rawHeaders: readonly string[], key: string | undefined): string[] {
  if (key === undefined) return [...rawHeaders]
  const accept = createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64')
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name === acceptField)
  if (at === -1 || rawHeaders[at + 1] !== accept)
    throw new SdError('SD_MALFORMED', 'The sec-websocket-accept field of the service is not valid', { origin: 'peer' })
  return withoutField(rawHeaders, acceptField)
}

function withoutField(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => rawHeaders[index - (index % 2)]?.toLowerCase() !== name)
}

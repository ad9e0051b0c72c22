import { createHash } from 'node:crypto'
import { SdError } from '@sd/core'
import type { TransportRequest } from '../transport/transport.ts'

/** The field of a WebSocket request that HTTP/2 does not have (RFC 8441, 5). */
export const keyField = 'sec-websocket-key'

/** RFC 6455, 1.3. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Fields that the response to an upgrade has over HTTP/1.1 and not over HTTP/2: with them, callers read both in the same way.
 * Names and values in turn.
 */
export function upgradedFields({ upgrade = '', headers, rawHeaders }: TransportRequest): readonly string[] {
  const fields = ['connection', 'upgrade', 'upgrade', upgrade]
  const key = rawHeaders ? findField(rawHeaders, keyField) : headers[keyField]
  if (key !== undefined) fields.push('sec-websocket-accept', acceptOf(key))
  return fields
}

/** Why a server gets no upgrade. Its instance may be healthy: the caller asked for what it does not have. */
export function noExtendedConnect(): SdError {
  return new SdError(
    'SD_UNSUPPORTED',
    'The instance does not support upgrades over HTTP/2 (RFC 8441): it must announce SETTINGS_ENABLE_CONNECT_PROTOCOL, or be registered with protocol http or https',
    { origin: 'caller' },
  )
}

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64')
}

function findField(rawHeaders: readonly string[], name: string): string | undefined {
  const index = rawHeaders.findIndex((each, at) => at % 2 === 0 && each.toLowerCase() === name)
  return index === -1 ? undefined : rawHeaders[index + 1]
}

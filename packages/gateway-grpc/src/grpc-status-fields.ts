import { STATUS_CODES } from 'node:http'
import type { GatewayReply, ReplyCause } from '@sd/gateway'
import { grpcStatusOf, grpcStatusOfHttp } from '@sd/grpc-status'
import { contentTypeOf, type GrpcKind } from './grpc-kind.ts'

/** Statuses of the gateway's own refusals, by HTTP status. */
const ownStatuses: ReadonlyMap<number, number> = new Map([
  [404, 12],
  [405, 12],
  [413, 8],
  [429, 8],
  [500, 13],
])

const malformed = 14
const unknown = 2

/** The gRPC status of a response that the gateway makes. */
function statusOfReply(status: number, cause: ReplyCause | undefined): number {
  if (!cause) return status < 300 ? unknown : grpcStatusOfHttp(status)
  if (cause.error.code === 'SD_MALFORMED') return malformed
  return ownStatuses.get(status) ?? grpcStatusOf(cause.error)
}

/** The gRPC status of a response of a service, or of a proxy before it, that is not of gRPC. */
export function statusOfHttp(status: number): number {
  return status < 300 ? unknown : grpcStatusOfHttp(status)
}

/** Reads `grpc-status`. @param raw names in lower case and values in turn @returns `undefined` if it is absent */
export function readStatus(raw: readonly string[]): number | undefined {
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index] !== 'grpc-status') continue
    const value = raw[index + 1] as string
    return /^\d{1,3}$/.test(value) ? Number(value) : unknown
  }
  return undefined
}

/** A message as it is sent: UTF-8 with `%` escapes (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export function encodeMessage(message: string): string {
  let encoded = ''
  for (const byte of Buffer.from(message)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

/** A response that has only a head, with a status of gRPC (Trailers-Only). */
export function statusReply(
  kind: GrpcKind,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): GatewayReply {
  const { 'content-type': _, 'content-length': __, ...others } = headers
  const fields = { 'content-type': contentTypeOf(kind), 'grpc-status': String(status), 'grpc-message': encodeMessage(message) }
  return { status: 200, headers: { ...others, ...fields } }
}

/** A response of the gateway or of a filter, as a client of gRPC reads it. */
export function toStatusReply(kind: GrpcKind, { status, headers }: GatewayReply, cause: ReplyCause | undefined): GatewayReply {
  const message = cause?.detail ?? `The gateway responded with HTTP status ${status} ${STATUS_CODES[status] ?? ''}`.trim()
  return statusReply(kind, statusOfReply(status, cause), message, headers)
}

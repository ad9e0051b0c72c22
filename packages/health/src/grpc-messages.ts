import { SdError } from '@sd/core'

/** Names of the statuses of grpc.health.v1, by number. */
const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** Status of a service, as reported by a gRPC server. */
export type ServingStatus = (typeof servingStatuses)[number]

/** Bytes before a message on the wire: a compression flag, and the length as 32 bits. */
const prefixLength = 5

/**
 * Encodes a `grpc.health.v1.HealthCheckRequest`. Its only field is the service, a string with number 1.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function encodeHealthCheckRequest(service: string): Buffer {
  const text = Buffer.from(service)
  const field = text.length === 0 ? [] : [0x0a, ...encodeVarint(text.length)]
  const prefix = Buffer.alloc(prefixLength)
  prefix.writeUInt32BE(field.length + text.length, 1)
  return Buffer.concat([prefix, Buffer.from(field), text])
}

/**
 * Decodes a `grpc.health.v1.HealthCheckResponse`. Its only field is the status, an enum with number 1; other fields are
 * skipped.
 *
 * @throws SdError `SD_MALFORMED` if it is malformed
 */
export function decodeHealthCheckResponse(wire: Buffer): ServingStatus {
  if (wire.length < prefixLength || wire[0] !== 0 || wire.readUInt32BE(1) !== wire.length - prefixLength) throw malformed()
  let status = 0
  let at = prefixLength

  function readVarint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = wire[at++]
      if (byte === undefined || scale > 2 ** 63) throw malformed()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  /** Skips a field, whose wire type is in the lowest three bits of its tag. */
  function skipField(tag: number): void {
    const wireType = tag % 8
    if (wireType === 0) readVarint()
    else if (wireType === 1) at += 8
    else if (wireType === 2) {
      const length = readVarint()
      at += length
    } else if (wireType === 5) at += 4
    else throw malformed()
  }

  while (at < wire.length) {
    const tag = readVarint()
    if (tag === 0x08) status = readVarint()
    else skipField(tag)
  }
  return servingStatuses[status] ?? 'UNKNOWN'
}

function malformed(): SdError {
  return new SdError('SD_MALFORMED', 'The response is not a valid grpc.health.v1.HealthCheckResponse')
}

function encodeVarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...encodeVarint(Math.floor(value / 0x80))]
}

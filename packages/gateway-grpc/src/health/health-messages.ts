/** Statuses of `grpc.health.v1.HealthCheckResponse`. */
export const healthStatuses = { serving: 1, notServing: 2, serviceUnknown: 3 } as const

/** One of {@link healthStatuses}. */
export type HealthStatus = (typeof healthStatuses)[keyof typeof healthStatuses]

/** A message with the prefix of gRPC. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** A `HealthCheckResponse`, framed. */
export function encodeHealth(status: HealthStatus): Buffer {
  return frame(Buffer.from([0x08, status]))
}

/** The service that a framed `HealthCheckRequest` asks about. @returns `undefined` if it can't be read */
export function readHealthRequest(body: Uint8Array): string | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (bytes.length < 5 || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) return undefined
  let service = ''
  let at = 5
  while (at < bytes.length) {
    // The only field is `string service = 1`; its length fits into two bytes, because the request is short.
    if (bytes[at] !== 0x0a || at + 1 >= bytes.length) return undefined
    const first = bytes[at + 1] as number
    const isLong = first >= 0x80
    const length = isLong ? (first & 0x7f) | ((bytes[at + 2] ?? 0x80) << 7) : first
    const start = at + (isLong ? 3 : 2)
    if (start + length > bytes.length) return undefined
    service = bytes.toString('utf8', start, start + length)
    at = start + length
  }
  return service
}

import type { GrpcModule } from './grpc-js.ts'
import type { GrpcMetadata } from './grpc-types.ts'

/** Fields that grpc-js manages, or that have a meaning only over HTTP. */
const reserved: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'grpc-accept-encoding',
  'grpc-encoding',
  'grpc-message',
  'grpc-status',
  'grpc-timeout',
  'host',
  'te',
  'transfer-encoding',
  'x-request-timeout-ms',
])

/** Metadata as header fields, names and values in turn; binary values in base64. */
export function toRawFields(metadata: GrpcMetadata): string[] {
  const fields: string[] = []
  for (const [name, values] of Object.entries(metadata.toHttp2Headers())) {
    for (const value of [values ?? []].flat()) fields.push(name, String(value))
  }
  return fields
}

/** Header fields as metadata. @throws the error of grpc-js for an invalid key or value */
export function toMetadata(grpc: GrpcModule, rawFields: readonly string[], options: object = {}): GrpcMetadata {
  const metadata = new grpc.Metadata(options) as GrpcMetadata
  for (let index = 0; index < rawFields.length; index += 2) {
    const name = (rawFields[index] as string).toLowerCase()
    const value = rawFields[index + 1] as string
    if (reserved.has(name)) continue
    if (!name.endsWith('-bin')) metadata.add(name, value)
    else for (const part of value.split(',')) metadata.add(name, Buffer.from(part.trim(), 'base64'))
  }
  return metadata
}

/** Value of a field among names and values in turn. */
export function findField(rawFields: readonly string[], wanted: string): string | undefined {
  for (let index = 0; index < rawFields.length; index += 2) {
    if ((rawFields[index] as string).toLowerCase() === wanted) return rawFields[index + 1]
  }
  return undefined
}

/** Names and values in turn as a record; repeated fields are joined. */
export function toRecord(rawFields: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let index = 0; index < rawFields.length; index += 2) {
    const name = rawFields[index] as string
    const value = rawFields[index + 1] as string
    record[name] = Object.hasOwn(record, name) ? `${record[name]}, ${value}` : value
  }
  return record
}

/** A status as fields of the trailers. */
export function toTrailers(code: number, details: string, metadata: GrpcMetadata): string[] {
  const message = details === '' ? [] : ['grpc-message', encodeURIComponent(details)]
  return [...toRawFields(metadata), 'grpc-status', String(code), ...message]
}

/** The text of `grpc-message`. */
export function decodeDetails(message: string | undefined): string {
  try {
    return decodeURIComponent(message ?? '')
  } catch {
    return message ?? ''
  }
}

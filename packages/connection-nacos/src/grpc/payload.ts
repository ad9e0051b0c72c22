import protobuf from 'protobufjs/minimal.js'

/** A message of Nacos' protocol: `Payload` of `nacos_grpc_service.proto`, whose body is JSON. */
export interface NacosPayload {
  /** Name of the message, such as `InstanceRequest`. */
  readonly type: string
  /** Headers of a request, such as `accessToken`. */
  readonly headers: Readonly<Record<string, string>>
  /** Address of the client, which it tells the server itself. @default none */
  readonly clientAddress?: string | undefined
  /** The body. */
  readonly body: Readonly<Record<string, unknown>>
}

// Numbers of the fields, and wire type 2 for a text, bytes or a message.
const metadataField = 2
const bodyField = 3
const typeField = 3
const headersField = 7
const clientIpField = 8
const anyValueField = 2
const tag = (field: number): number => (field << 3) | 2

/** Serializes a message. */
export function encodePayload({ type, headers, clientAddress, body }: NacosPayload): Buffer {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(metadataField)).fork().uint32(tag(typeField)).string(type)
  for (const [key, value] of Object.entries(headers)) {
    writer.uint32(tag(headersField)).fork().uint32(tag(1)).string(key).uint32(tag(2)).string(value).ldelim()
  }
  if (clientAddress !== undefined) writer.uint32(tag(clientIpField)).string(clientAddress)
  writer.ldelim()
  writer.uint32(tag(bodyField)).fork().uint32(tag(anyValueField)).string(JSON.stringify(body)).ldelim()
  return Buffer.from(writer.finish())
}

/** Reads a message. Unknown fields are skipped. @throws Error if it is not a message of this protocol, or its body is not an object */
export function decodePayload(bytes: Buffer): NacosPayload {
  const reader = protobuf.Reader.create(bytes)
  let type = ''
  let text = ''
  readFields(reader, reader.len, (field) => {
    if (field === metadataField) {
      readFields(reader, reader.uint32() + reader.pos, (inner) => {
        if (inner !== typeField) return false
        type = reader.string()
        return true
      })
      return true
    }
    if (field !== bodyField) return false
    readFields(reader, reader.uint32() + reader.pos, (inner) => {
      if (inner !== anyValueField) return false
      text = reader.string()
      return true
    })
    return true
  })
  const body: unknown = text === '' ? {} : JSON.parse(text)
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Error(`${type} with a body that is not an object`)
  return { type, headers: {}, body: body as NacosPayload['body'] }
}

/** Reads fields up to `end`. `read` returns whether it has consumed the value. */
function readFields(reader: protobuf.Reader, end: number, read: (field: number) => boolean): void {
  while (reader.pos < end) {
    const key = reader.uint32()
    if ((key & 7) !== 2 || !read(key >>> 3)) reader.skipType(key & 7)
  }
}

import { type FileRegistry, fromBinary, type JsonObject, type JsonValue, type Message, toJson } from '@bufbuild/protobuf'
import type { GatewayReply } from '@sd/gateway'
import { httpStatusOfGrpc } from '@sd/grpc-status'

const unknown = 2

/** The status of a call that has ended. */
export interface CallStatus {
  readonly code: number
  readonly message: string
  readonly details: readonly JsonValue[]
}

/** Reads the status in trailers. @param raw names in lower case and values in turn @returns `undefined` without `grpc-status` */
export function readCallStatus(raw: readonly string[], registry: FileRegistry): CallStatus | undefined {
  const text = fieldOf(raw, 'grpc-status')
  if (text === undefined) return undefined
  return {
    code: /^\d{1,3}$/.test(text) ? Number(text) : unknown,
    message: decodeMessage(fieldOf(raw, 'grpc-message') ?? ''),
    details: readDetails(fieldOf(raw, 'grpc-status-details-bin'), registry),
  }
}

/** A status as `google.rpc.Status` in JSON. */
export function toStatusJson({ code, message, details }: CallStatus): JsonObject {
  return { code, message, details: [...details] }
}

/** The response for a status. */
export function statusReply(status: CallStatus, headers: Readonly<Record<string, string>> = {}): GatewayReply {
  return {
    status: httpStatusOfGrpc(status.code),
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(toStatusJson(status)),
  }
}

function fieldOf(raw: readonly string[], name: string): string | undefined {
  const at = raw.findIndex((text, index) => index % 2 === 0 && text === name)
  return at < 0 ? undefined : raw[at + 1]
}

function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Details whose types the descriptors have, of a `google.rpc.Status` that they have too. */
function readDetails(encoded: string | undefined, registry: FileRegistry): readonly JsonValue[] {
  const type = registry.getMessage('google.rpc.Status')
  if (encoded === undefined || !type) return []
  try {
    const { details = [] } = fromBinary(type, Buffer.from(encoded, 'base64')) as Message & {
      readonly details?: readonly Message[]
    }
    const any = type.fields.find(({ name }) => name === 'details')?.message
    return any ? details.flatMap((detail) => toKnownJson(() => toJson(any, detail, { registry }))) : []
  } catch {
    return []
  }
}

/** Nothing for a type that the descriptors don't have. */
function toKnownJson(convert: () => JsonValue): JsonValue[] {
  try {
    return [convert()]
  } catch {
    return []
  }
}

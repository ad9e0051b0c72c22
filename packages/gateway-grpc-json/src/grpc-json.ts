import { createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { checkBoolean, checkInteger, checkKnownKeys, invalidError, SdError } from '@sd/core'
import type { CallProtocol } from '@sd/gateway'
import { Bindings } from './bindings.ts'
import { GrpcJsonCall, type GrpcJsonContext } from './grpc-json-call.ts'

/** Options of {@link createGrpcJson}. */
export interface GrpcJsonOptions {
  /**
   * A `FileDescriptorSet` in binary form, as `protoc --include_imports --descriptor_set_out` writes it. Its methods with
   * `google.api.http` can be called in JSON.
   */
  readonly descriptors: Uint8Array
  /** Bytes of the body of a request. @default 4_194_304 (4 MiB) */
  readonly maxRequestBytes?: number
  /** Bytes of one message of a response. @default 4_194_304 (4 MiB) */
  readonly maxMessageBytes?: number
  /** Whether fields with their default value are written. @default false */
  readonly emitDefaults?: boolean
  /** Whether fields are written with their names in the descriptors, instead of in lower camel case. Both are read. @default false */
  readonly protoFieldNames?: boolean
  /** Whether unknown fields and query parameters are ignored instead of refused. @default false */
  readonly ignoreUnknownFields?: boolean
}

const keys = ['descriptors', 'maxRequestBytes', 'maxMessageBytes', 'emitDefaults', 'protoFieldNames', 'ignoreUnknownFields']

/** Largest message of gRPC, in bytes. */
const maxBytes = 1_073_741_824

/**
 * Creates the protocol `grpc-json` for `protocols` of `createGateway`: requests in JSON, by the rules of `google.api.http`, are
 * calls of gRPC for their services.
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function createGrpcJson(options: GrpcJsonOptions): CallProtocol {
  checkKnownKeys('', options, keys)
  const { maxRequestBytes = 4_194_304, maxMessageBytes = 4_194_304 } = options
  const { emitDefaults = false, protoFieldNames = false, ignoreUnknownFields = false } = options
  const registry = readDescriptors(options.descriptors)
  const context: GrpcJsonContext = {
    registry,
    maxRequestBytes: checkInteger('maxRequestBytes', maxRequestBytes, { min: 1, max: maxBytes }),
    maxMessageBytes: checkInteger('maxMessageBytes', maxMessageBytes, { min: 1, max: maxBytes }),
    emitDefaults: checkBoolean('emitDefaults', emitDefaults),
    protoFieldNames: checkBoolean('protoFieldNames', protoFieldNames),
    ignoreUnknownFields: checkBoolean('ignoreUnknownFields', ignoreUnknownFields),
  }
  const bindings = new Bindings(registry)
  return {
    kind: 'call',
    name: 'grpc-json',
    recognises: (request) => !isOfGrpc(request) && bindings.find(request.method, request.path) !== undefined,
    begin(exchange) {
      const bound = bindings.find(exchange.method, exchange.path)
      return bound ? new GrpcJsonCall(exchange, bound, context) : {}
    },
  }
}

function isOfGrpc(request: { header(name: string): string | undefined }): boolean {
  return request.header('content-type')?.toLowerCase().startsWith('application/grpc') === true
}

function readDescriptors(bytes: unknown): FileRegistry {
  if (!(bytes instanceof Uint8Array)) throw invalidError('descriptors', bytes, 'the bytes of a FileDescriptorSet')
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes))
  } catch (cause) {
    const message = `Invalid descriptors: got ${bytes.byteLength} bytes that can't be read, want a FileDescriptorSet with all of its imports`
    throw new SdError('SD_INVALID', message, { field: 'descriptors', cause })
  }
}

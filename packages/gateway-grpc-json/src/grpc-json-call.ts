import { type FileRegistry, fromBinary, fromJson, type JsonObject, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { publishTelemetry, SdError } from '@sd/core'
import type {
  BodyReader,
  BodyTransform,
  ExchangeOutcome,
  GatewayCall,
  GatewayExchange,
  GatewayReply,
  GatewayResponse,
  RequestConverter,
} from '@sd/gateway'
import { judgeGrpcResponse } from '@sd/grpc-status'
import { type BoundRequest, nameOf } from './bindings.ts'
import { FrameReader, frameMessage } from './grpc-frames.ts'
import { refuse, toRequestJson } from './request-json.ts'
import { readCallStatus, statusReply, toStatusJson } from './status-json.ts'

/** What the calls of a protocol share. */
export interface GrpcJsonContext {
  readonly registry: FileRegistry
  readonly maxRequestBytes: number
  readonly maxMessageBytes: number
  readonly emitDefaults: boolean
  readonly protoFieldNames: boolean
  readonly ignoreUnknownFields: boolean
}

const [ok, cancelled, unknown, invalidArgument, resourceExhausted, internal] = [0, 1, 2, 3, 8, 13]
const eventStream = 'text/event-stream'

/** Fields of a gRPC response that its JSON form does not have. */
const ofGrpc = [
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
  'content-length',
  'trailer',
]

/** One request in JSON, which is a call of gRPC for its service. */
export class GrpcJsonCall implements GatewayCall {
  readonly judge: typeof judgeGrpcResponse = judgeGrpcResponse
  readonly deadlineFields: GatewayCall['deadlineFields'] = (remainingMs) => [
    'grpc-timeout',
    `${Math.max(1, Math.ceil(remainingMs))}m`,
  ]
  grpcStatus: number | undefined
  readonly #exchange: GatewayExchange
  readonly #bound: BoundRequest
  readonly #context: GrpcJsonContext
  #isStream = false
  #messagesIn = 0
  #messagesOut = 0

  constructor(exchange: GatewayExchange, bound: BoundRequest, context: GrpcJsonContext) {
    this.#exchange = exchange
    this.#bound = bound
    this.#context = context
  }

  convert(): RequestConverter {
    return { maxBytes: this.#context.maxRequestBytes, convert: (body) => this.#convert(body) }
  }

  replace(status: number, rawHeaders: readonly string[]): BodyReader | undefined {
    const { registry, maxMessageBytes } = this.#context
    const headers = keptFields(rawHeaders)
    if (status !== 200) {
      const message = `The service responded with HTTP status ${status}, not in gRPC.`
      return { maxBytes: maxMessageBytes, reply: () => this.#fail(internal, message) }
    }
    const early = readCallStatus(rawHeaders, registry)
    if (early) return { maxBytes: maxMessageBytes, reply: () => this.#end(early, headers) }
    this.#isStream = this.#bound.binding.rpc.methodKind === 'server_streaming'
    if (this.#isStream) return undefined
    return {
      // The prefix of the message.
      maxBytes: maxMessageBytes + 5,
      reply: (body, rawTrailers) => {
        const ended = readCallStatus(rawTrailers, registry)
        if (ended?.code !== ok)
          return this.#end(ended ?? { code: unknown, message: 'The call has no status.', details: [] }, headers)
        return this.#replyWith(body, headers)
      },
    }
  }

  onResponse(response: GatewayResponse): void {
    if (!this.#isStream) return
    const isEvents = this.#wantsEvents
    for (const name of ofGrpc) response.removeHeader(name)
    response.setHeader('content-type', isEvents ? eventStream : 'application/x-ndjson')
    if (isEvents) response.setHeader('cache-control', 'no-store')
    response.transformBody((output) => this.#toLines(output))
  }

  onEnd({ status, durationMs }: ExchangeOutcome): void {
    const { route, service } = this.#exchange
    const grpcStatus = this.grpcStatus ?? (status === 499 ? cancelled : unknown)
    const method = `/${nameOf(this.#bound.binding.rpc).replace(/\.(?=[^.]*$)/, '/')}`
    publishTelemetry('sd:v1:gateway:call', {
      ...{ protocol: 'grpc-json', route, service, method, grpcStatus, durationMs },
      ...{ messagesIn: this.#messagesIn, messagesOut: this.#messagesOut },
    })
  }

  get #wantsEvents(): boolean {
    return this.#exchange.header('accept')?.toLowerCase().includes(eventStream) === true
  }

  #convert(body: Uint8Array | undefined): { method: string; path: string; body: Uint8Array } | GatewayReply {
    const exchange = this.#exchange
    const { registry, maxRequestBytes, ignoreUnknownFields } = this.#context
    const { rpc } = this.#bound.binding
    if (!body)
      return { ...this.#fail(resourceExhausted, `The request body is longer than ${maxRequestBytes} bytes.`), status: 413 }
    try {
      if (exchange.header('content-encoding') !== undefined) throw refuse('The request body must not be encoded.')
      const question = exchange.path.indexOf('?')
      const search = new URLSearchParams(question < 0 ? '' : exchange.path.slice(question + 1))
      const json = toRequestJson(this.#bound, search, body, { ignoresUnknown: ignoreUnknownFields })
      const message = readMessage(() => fromJson(rpc.input, json, { registry, ignoreUnknownFields }), rpc.input.typeName)
      exchange.setHeader('content-type', 'application/grpc+proto')
      exchange.setHeader('te', 'trailers')
      for (const name of ['content-length', 'accept-encoding']) exchange.removeHeader(name)
      const path = `/${rpc.parent.typeName}/${rpc.name}`
      this.#messagesIn++
      return { method: 'POST', path, body: frameMessage(toBinary(rpc.input, message)) }
    } catch (thrown) {
      if (thrown instanceof SdError && thrown.code === 'SD_INVALID') return this.#fail(invalidArgument, thrown.message)
      throw thrown
    }
  }

  #fail(code: number, message: string): GatewayReply {
    this.grpcStatus = code
    return statusReply({ code, message, details: [] })
  }

  #end(status: Parameters<typeof statusReply>[0], headers: Readonly<Record<string, string>>): GatewayReply {
    if (status.code === ok) return this.#fail(internal, 'The response of the service has no message.')
    this.grpcStatus = status.code
    return statusReply(status, headers)
  }

  #replyWith(body: Uint8Array | undefined, headers: Readonly<Record<string, string>>): GatewayReply {
    const reader = new FrameReader(this.#context.maxMessageBytes)
    const messages = body && reader.push(body)
    const [message] = messages ?? []
    if (!message || messages?.length !== 1 || !reader.isEmpty) {
      return this.#fail(
        internal,
        body ? 'The response of the service is not one message.' : 'The response of the service is too long.',
      )
    }
    this.grpcStatus = ok
    const text = JSON.stringify(this.#toResponseJson(message))
    return { status: 200, headers: { ...headers, 'content-type': 'application/json' }, body: text }
  }

  #toResponseJson(message: Uint8Array): JsonValue {
    this.#messagesOut++
    const { rpc, responseBody } = this.#bound.binding
    const { registry, emitDefaults, protoFieldNames } = this.#context
    const options = { registry, alwaysEmitImplicit: emitDefaults, useProtoFieldName: protoFieldNames }
    const json = toJson(rpc.output, fromBinary(rpc.output, message), options)
    if (responseBody === undefined) return json
    const field = rpc.output.fields.find(({ name }) => name === responseBody)
    return (json as JsonObject)[protoFieldNames ? responseBody : (field?.jsonName ?? '')] ?? null
  }

  /** A line of JSON, or an event, for each message; the last one is the error, if there is one. */
  #toLines(output: Parameters<Parameters<GatewayResponse['transformBody']>[0]>[0]): BodyTransform {
    const reader = new FrameReader(this.#context.maxMessageBytes)
    const isEvents = this.#wantsEvents
    const write = (json: JsonValue, event: string): boolean => {
      const text = JSON.stringify(json)
      return output.write(Buffer.from(isEvents ? `${event}data: ${text}\n\n` : `${text}\n`))
    }
    return {
      write: (chunk) => reader.push(chunk).reduce((_, message) => write(this.#toResponseJson(message), ''), true),
      end: (rawTrailers) => {
        const ended = readCallStatus(rawTrailers, this.#context.registry)
        const status = ended ?? { code: unknown, message: 'The call has no status.', details: [] }
        this.grpcStatus = status.code
        if (status.code !== ok) write({ error: toStatusJson(status) }, 'event: error\n')
        output.end()
      },
    }
  }
}

/** The library quotes values in its errors: only the field is passed on. */
function readMessage<T>(read: () => T, typeName: string): T {
  try {
    return read()
  } catch (thrown) {
    const field = /\bfield ([\w.]+)/.exec(String(thrown))?.[1]
    throw refuse(field === undefined ? `The request is not a valid ${typeName}.` : `The field ${field} is not valid.`)
  }
}

function keptFields(raw: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {}
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    if (!ofGrpc.includes(name) && name !== 'content-type') kept[name] = raw[index + 1] as string
  }
  return kept
}

import { publishTelemetry, type SdError } from '@sd/core'
import type {
  BodyReader,
  ExchangeOutcome,
  GatewayCall,
  GatewayExchange,
  GatewayReply,
  GatewayResponse,
  ReplyCause,
} from '@sd/gateway'
import { grpcStatusOf, judgeGrpcResponse } from '@sd/grpc-status'
import { contentTypeOf, type GrpcKind, isGrpc } from './grpc-kind.ts'
import { encodeMessage, readStatus, statusOfHttp, statusReply, toStatusReply } from './grpc-status-fields.ts'
import { formatTimeout, readTimeout } from './grpc-timeout.ts'
import type { HealthService } from './health/health-service.ts'
import { MessageCounter } from './message-counter.ts'
import type { MethodNames } from './method-names.ts'
import { decodeBase64 } from './web/base64-decoder.ts'
import { frameTrailers, frameTrailersAsText } from './web/web-framing.ts'

/** Most bytes that are read of a response that is not of gRPC. */
const otherResponseBytes = 65_536

/** Most bytes of a request for the health service. */
const healthRequestBytes = 4_096

const healthPath = '/grpc.health.v1.Health/'

const cancelled = 1
const unknown = 2

/** What the calls of a protocol share. */
export interface GrpcCallContext {
  readonly methods: MethodNames
  readonly health: HealthService
}

/** Options of a route with `match.protocol: 'grpc'`. */
export interface GrpcRouteOptions {
  /** Whether requests of grpc-web are accepted. @default true */
  readonly web?: boolean
  /**
   * Answers `grpc.health.v1.Health` on this route: names of gRPC services, with the services of discovery whose availability is
   * theirs. The empty name, for the server as a whole, is available if all of them are. @default such requests are forwarded
   */
  readonly health?: Readonly<Record<string, string>>
}

/** One call of gRPC or grpc-web. */
export class GrpcCall implements GatewayCall {
  readonly timeoutMs: number | undefined
  readonly judge: typeof judgeGrpcResponse = judgeGrpcResponse
  readonly deadlineFields: GatewayCall['deadlineFields']
  grpcStatus: number | undefined
  readonly #received = new MessageCounter()
  readonly #sent = new MessageCounter()
  readonly #kind: GrpcKind
  readonly #exchange: GatewayExchange
  readonly #options: GrpcRouteOptions
  readonly #context: GrpcCallContext

  constructor(exchange: GatewayExchange, kind: GrpcKind, options: GrpcRouteOptions, context: GrpcCallContext) {
    this.#exchange = exchange
    this.#kind = kind
    this.#options = options
    this.#context = context
    this.timeoutMs = readTimeout(exchange.header('grpc-timeout'))
    if (this.timeoutMs !== undefined) exchange.removeHeader('grpc-timeout')
    this.deadlineFields = toDeadlineFields
    if (this.#isWeb) this.#bridgeRequest()
  }

  get #isWeb(): boolean {
    const { framing } = this.#kind
    return framing === 'web' || framing === 'web-text'
  }

  get #isRefused(): boolean {
    return this.#isWeb && this.#options.web === false
  }

  respond(): BodyReader | undefined {
    if (this.#isRefused) return { maxBytes: 0, reply: () => ({ status: 415 }) }
    const { health } = this.#options
    const { path } = this.#exchange
    if (health === undefined || !path.startsWith(healthPath)) return undefined
    const method = path.slice(healthPath.length)
    return {
      maxBytes: healthRequestBytes,
      reply: (body) => this.#context.health.reply(method, body, { kind: this.#kind, services: health }),
    }
  }

  onReply(reply: GatewayReply, cause: ReplyCause | undefined): GatewayReply {
    const { headers = {} } = reply
    // A filter may respond in the form of gRPC, as the health service does.
    if (this.#isRefused || headers['content-type']?.startsWith('application/grpc')) return reply
    return toStatusReply(this.#kind, reply, cause)
  }

  endsWithHead(rawHeaders: readonly string[]): boolean {
    this.grpcStatus = readStatus(rawHeaders)
    return this.grpcStatus !== undefined
  }

  onRequestData(chunk: Uint8Array): void {
    this.#received.read(chunk)
  }

  onResponseData(chunk: Uint8Array): void {
    this.#sent.read(chunk)
  }

  replace(status: number, rawHeaders: readonly string[]): BodyReader | undefined {
    const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name === 'content-type')
    if (isGrpc(at < 0 ? undefined : rawHeaders[at + 1])) return undefined
    const reply = statusReply(this.#kind, statusOfHttp(status), `The service responded with HTTP status ${status}, not in gRPC`)
    return { maxBytes: otherResponseBytes, reply: () => reply }
  }

  onResponse(response: GatewayResponse): void {
    if (!this.#isWeb || this.#isRefused) return
    response.setHeader('content-type', contentTypeOf(this.#kind))
    if (this.grpcStatus === undefined) {
      response.transformBody(this.#kind.framing === 'web' ? frameTrailers : frameTrailersAsText)
    }
  }

  onTrailers(rawTrailers: readonly string[]): readonly string[] {
    this.grpcStatus ??= readStatus(rawTrailers)
    if (this.grpcStatus !== undefined) return rawTrailers
    this.grpcStatus = unknown
    return [...rawTrailers, ...statusTrailers(unknown, 'The service ended the call without a status.')]
  }

  onBroken(error: SdError): readonly string[] | undefined {
    if (this.grpcStatus !== undefined) return undefined
    const isLate = error.code === 'SD_DEADLINE_EXCEEDED' || error.code === 'SD_TIMEOUT'
    const message = isLate ? 'The call took too long.' : 'The response of the service is not complete.'
    return statusTrailers(grpcStatusOf(error), message)
  }

  onEnd({ status, durationMs, instanceId }: ExchangeOutcome): void {
    const { path, route, service } = this.#exchange
    const grpcStatus = this.grpcStatus ?? (status === 499 ? cancelled : unknown)
    const method = this.#context.methods.nameOf(path, grpcStatus, instanceId !== undefined)
    const messages = { messagesIn: this.#received.count, messagesOut: this.#sent.count }
    publishTelemetry('sd:v1:gateway:call', { protocol: 'grpc', route, service, method, grpcStatus, durationMs, ...messages })
  }

  #bridgeRequest(): void {
    const exchange = this.#exchange
    exchange.setHeader('content-type', `application/grpc${this.#kind.suffix}`)
    exchange.setHeader('te', 'trailers')
    exchange.removeHeader('x-grpc-web')
    if (this.#kind.framing === 'web-text') exchange.transformBody(decodeBase64)
  }
}

function statusTrailers(status: number, message: string): readonly string[] {
  return ['grpc-status', String(status), 'grpc-message', encodeMessage(message)]
}

function toDeadlineFields(remainingMs: number): readonly string[] {
  return ['grpc-timeout', formatTimeout(remainingMs)]
}

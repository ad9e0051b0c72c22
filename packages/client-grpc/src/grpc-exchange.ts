import { type Endpoint, SdError, toSdError } from '@sd/core'
import { judgeGrpcStatus } from '@sd/grpc-status'
import type { GrpcModule } from './grpc-js.ts'
import type { ChannelCall, GrpcChannel, GrpcMetadata, GrpcStatus } from './grpc-types.ts'
import { findField, toMetadata, toRawFields, toRecord, toTrailers } from './metadata.ts'
import type { MethodKind } from './method-kinds.ts'
import { toOwnError } from './own-status.ts'
import { PinnedAttempt, pinCall } from './pinned-attempt.ts'
import type { AttemptExchange, AttemptHandler, AttemptRequest } from './policy-client.ts'
import { statusCodes } from './status-codes.ts'

/** Common input of the attempts of one call. */
export interface ExchangeInit {
  readonly grpc: GrpcModule
  /** Sends calls to their pinned endpoints. */
  readonly channel: GrpcChannel
  readonly kind: MethodKind
  readonly host: string | null | undefined
  readonly propagateFlags: number | null | undefined
  readonly credentials: object | undefined
  /** Options of the caller's metadata. */
  readonly metadataOptions: object
  /** Flags of a message, if it has any. */
  readonly flagsOf: (message: Uint8Array) => number | undefined
}

const { cancelled, deadlineExceeded, resourceExhausted, internal, unavailable } = statusCodes

/** Tolerance for a server timer that is ahead of ours, in milliseconds. */
const deadlineSlackMs = 10

/**
 * One attempt of a call, on the endpoint that the client picked: a grpc-js call, with messages as the chunks of the
 * bodies. If the service responds with one message, the head of the response is reported with the status, so that the
 * policies judge the whole.
 */
export class GrpcExchange implements AttemptExchange {
  rawHeaders: readonly string[] = []
  rawTrailers: readonly string[] = []
  readonly #init: ExchangeInit
  readonly #handler: AttemptHandler
  readonly #pin: PinnedAttempt
  #call: ChannelCall | undefined
  #deadline: number = Number.POSITIVE_INFINITY
  readonly #outgoing: Uint8Array[] = []
  #isWriting = false
  #isEnded = false
  /** The message of a call with one response; it is held until the status. */
  #message: Buffer | undefined
  #isHeadReported = false
  #hasHead = false
  #isOver = false

  constructor(init: ExchangeInit, endpoint: Endpoint, handler: AttemptHandler) {
    this.#init = init
    this.#handler = handler
    this.#pin = new PinnedAttempt(endpoint, () => {
      if (!this.#isOver) handler.onSend()
    })
  }

  /** The call of grpc-js. */
  get call(): ChannelCall | undefined {
    return this.#call
  }

  /** Begins the call. The handler receives errors asynchronously. */
  start({ path, rawHeaders = [], body }: AttemptRequest): this {
    const { grpc, channel, host, propagateFlags, credentials, metadataOptions } = this.#init
    try {
      const options = { ...metadataOptions, waitForReady: false }
      const metadata = toMetadata(grpc, rawHeaders, options)
      const leftMs = Number(findField(rawHeaders, 'x-request-timeout-ms') ?? Number.POSITIVE_INFINITY)
      this.#deadline = Date.now() + leftMs
      this.#call = channel.createCall(path, this.#deadline, host, null, propagateFlags)
      if (credentials) this.#call.setCredentials(credentials)
      pinCall(options, this.#pin)
      this.#call.start(metadata, {
        onReceiveMetadata: (head) => this.#receiveHead(head),
        onReceiveMessage: (message) => this.#receiveMessage(message),
        onReceiveStatus: (status) => this.#receiveStatus(status),
      })
      this.#call.startRead()
      if (body !== null) void this.#sendAll(body)
    } catch (error) {
      const failure = toSdError(error, 'SD_INVALID', "The call can't be started")
      queueMicrotask(() => this.#fail(failure))
    }
    return this
  }

  write(chunk: Uint8Array): boolean {
    this.#outgoing.push(chunk)
    this.#pump()
    return !this.#isWriting
  }

  end(): void {
    this.#isEnded = true
    this.#pump()
  }

  abort(reason: SdError): void {
    if (this.#isOver) return
    this.#call?.cancelWithStatus(cancelled, reason.message)
    this.#fail(reason)
  }

  resume(): void {
    if (!this.#isOver) this.#call?.startRead()
  }

  /** A complete body is one message, unless an interceptor has replaced it with an iterable. */
  async #sendAll(body: NonNullable<AttemptRequest['body']>): Promise<void> {
    if (typeof body === 'string' || body instanceof Uint8Array) {
      this.write(typeof body === 'string' ? Buffer.from(body) : body)
      this.end()
      return
    }
    try {
      for await (const chunk of body) if (!this.#isOver) this.write(chunk)
      this.end()
    } catch (error) {
      this.abort(new SdError('SD_ABORTED', 'The request body failed', { cause: error, origin: 'caller' }))
    }
  }

  /** One message at a time: grpc-js buffers only one while it waits for a connection. */
  #pump(): void {
    if (this.#isWriting || this.#isOver) return
    const next = this.#outgoing.shift()
    if (!next) {
      if (this.#isEnded) this.#call?.halfClose()
      return
    }
    this.#isWriting = true
    const callback = (): void => {
      this.#isWriting = false
      this.#pump()
      if (!this.#isWriting && !this.#isOver) this.#handler.onDrain?.()
    }
    this.#call?.sendMessageWithContext({ callback, flags: this.#init.flagsOf(next) }, toBuffer(next))
  }

  #receiveHead(head: GrpcMetadata): void {
    if (this.#isOver) return
    this.#hasHead = true
    this.rawHeaders = toRawFields(head)
    if (this.#init.kind.responseStream) this.#reportHead(200, this.rawHeaders)
  }

  #reportHead(status: number, rawFields: readonly string[]): void {
    if (this.#isHeadReported) return
    this.#isHeadReported = true
    this.#handler.onResponse(status, toRecord(rawFields), '')
  }

  #receiveMessage(message: Buffer): void {
    if (this.#isOver) return
    if (!this.#init.kind.responseStream) {
      if (this.#message) this.#refuse(internal, 'Too many responses received')
      this.#message = message
      this.#call?.startRead()
    } else if (this.#handler.onData(message)) this.#call?.startRead()
  }

  #receiveStatus(status: GrpcStatus): void {
    if (this.#isOver) return
    const error = this.#judgeOwn(status)
    if (error) this.#fail(error)
    else this.#respond(status)
  }

  /** Trailers arrived, so the status comes from the peer. */
  #respond({ code, details, metadata }: GrpcStatus): void {
    this.#isOver = true
    this.rawTrailers = toTrailers(code, details, metadata)
    const isGood = code === 0
    this.#reportHead(
      isGood ? 200 : (judgeGrpcStatus(code).status ?? 500),
      isGood ? this.rawHeaders : [...this.rawHeaders, ...this.rawTrailers],
    )
    if (isGood && this.#message) this.#handler.onData(this.#message)
    this.#handler.onEnd(toRecord(this.rawTrailers))
  }

  /** The error of a status that grpc-js itself created; `undefined` if it comes from the peer. */
  #judgeOwn(status: GrpcStatus): SdError | undefined {
    const { isStarted, refusal, failure } = this.#pin
    const { code, metadata } = status
    if (code === 0) return undefined
    if (refusal !== undefined) return new SdError('SD_CLOSED', refusal)
    if (!isStarted) return toOwnError(status, { origin: failure === undefined ? 'local' : 'network' })
    // The stream was reset at its deadline: the server's timer was faster than ours.
    if ((code === cancelled || code === deadlineExceeded) && Date.now() >= this.#deadline - deadlineSlackMs)
      return toOwnError({ ...status, code: deadlineExceeded, details: 'the deadline was exceeded' })
    // Without a head the trailers carry its fields too.
    if (Object.keys(metadata.getMap()).length > 0) return undefined
    // This side has not cancelled the call, so the peer or the connection ended it.
    if (code === cancelled) return toOwnError({ ...status, code: unavailable, details: 'the stream was reset by the peer' })
    return !this.#hasHead || code === unavailable || code === resourceExhausted ? toOwnError(status) : undefined
  }

  /** The peer violates the gRPC protocol. */
  #refuse(code: number, details: string): void {
    this.#call?.cancelWithStatus(code, details)
    this.#fail(toOwnError({ code, details, metadata: new this.#init.grpc.Metadata() as GrpcMetadata }))
  }

  #fail(error: SdError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handler.onError(error, this.#pin.isStarted)
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

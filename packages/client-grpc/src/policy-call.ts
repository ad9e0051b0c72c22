import { PRIORITY_HEADER, readPriority, SdError, toSdError } from '@sd/core'
import { grpcStatusOfHttp, judgeGrpcResponse } from '@sd/grpc-status'
import { GrpcExchange } from './grpc-exchange.ts'
import type { GrpcModule } from './grpc-js.ts'
import type { ChannelCall, GrpcChannel, GrpcListener, GrpcMetadata, MessageContext, ParentCall } from './grpc-types.ts'
import { ListenerQueue } from './listener-queue.ts'
import { decodeDetails, findField, toMetadata, toRawFields } from './metadata.ts'
import type { MethodKind } from './method-kinds.ts'
import { codeOf } from './own-status.ts'
import type { PolicyClient, PolicyControl, PolicyHandler, PolicyRequest } from './policy-client.ts'
import { statusCodes } from './status-codes.ts'

/** Common input of the calls of a channel. */
export interface PolicyCallContext {
  readonly grpc: GrpcModule
  readonly client: PolicyClient
  readonly service: string
  /** Sends calls to their pinned endpoints. */
  readonly channel: GrpcChannel
  /** Key of the metadata that is hashed. */
  readonly hashMetadata: string | undefined
  /** Calls in progress. */
  readonly openCalls: Set<PolicyCall>
  /** The reason why no calls are possible, if so. */
  refusal(): string | undefined
  /** The current instances: another object after every change. */
  instances(): object | undefined
  /** Waits for the next change of the service's instances or connections. @returns a function that ends the wait */
  wait(onChange: () => void): () => void
}

/** A call as requested from its channel. */
export interface PolicyCallInit {
  readonly path: string
  readonly kind: MethodKind
  /** Deadline in Unix milliseconds; `Infinity` for none. */
  readonly deadline: number
  readonly host: string | null | undefined
  readonly parent: ParentCall | null
  readonly propagateFlags: number | null | undefined
  readonly callNumber: number
}

/** Flags of grpc-js: the parts of the parent that apply to the call. */
const propagateDeadline = 1
const propagateCancellation = 8
/** Longest delay of a timer, in milliseconds. */
const longestTimerMs = 2_147_483_647

/**
 * One grpc-js call, made as a forwarded request of the client: all policies of the client apply, and each attempt is a
 * {@link GrpcExchange}. Its events are delivered through a {@link ListenerQueue}.
 */
export class PolicyCall implements ChannelCall, PolicyHandler {
  readonly #context: PolicyCallContext
  readonly #init: PolicyCallInit
  readonly #queue = new ListenerQueue()
  #fields: string[] = []
  #metadataOptions: object = {}
  #credentials: object | undefined
  #control: PolicyControl | undefined
  #exchange: GrpcExchange | undefined
  /** Messages that no attempt has begun to send. */
  #unsent: Buffer[] | undefined = []
  #isHalfClosed = false
  #isSent = false
  #pendingCallback: MessageContext['callback']
  readonly #flags = new WeakMap<Uint8Array, number>()
  #leaveWait: (() => void) | undefined
  /** The instances at its last start. */
  #instances: object | undefined
  #httpStatus = 200
  #headFields: readonly string[] = []

  constructor(context: PolicyCallContext, init: PolicyCallInit) {
    this.#context = context
    this.#init = init
  }

  start(metadata: GrpcMetadata, listener: GrpcListener): void {
    this.#queue.start(listener)
    this.#fields = toRawFields(metadata)
    this.#metadataOptions = metadata.getOptions()
    this.#context.openCalls.add(this)
    const { parent, propagateFlags, kind } = this.#init
    if (parent && ((propagateFlags ?? 0xffff) & propagateCancellation) !== 0) parent.on('cancelled', this.#onParentCancelled)
    if (kind.requestStream) this.#begin()
  }

  sendMessageWithContext({ callback, flags }: MessageContext, message: Buffer): void {
    if (flags) this.#flags.set(message, flags)
    this.#unsent?.push(message)
    const isTaken = this.#control?.write(message) ?? !this.#leaveWait
    if (isTaken || this.#queue.status) process.nextTick(() => callback?.())
    else this.#pendingCallback = callback
  }

  halfClose(): void {
    this.#isHalfClosed = true
    if (this.#init.kind.requestStream) this.#control?.end()
    else this.#begin()
  }

  startRead(): void {
    this.#queue.read()
    if (this.#queue.wantsMore) this.#control?.resume()
  }

  cancelWithStatus(code: number, details: string): void {
    if (this.#queue.isDelivered) return
    // Also instead of a status that has arrived and waits until the messages were read.
    this.#queue.status = undefined
    this.#end(code, details)
    this.#control?.abort(new SdError('SD_ABORTED', `The call was cancelled: ${details}`))
  }

  getPeer(): string {
    return this.#exchange?.call?.getPeer() ?? this.#context.channel.getTarget()
  }

  getCallNumber(): number {
    return this.#init.callNumber
  }

  setCredentials(credentials: object): void {
    this.#credentials = credentials
  }

  getAuthContext(): object | null {
    return this.#exchange?.call?.getAuthContext?.() ?? null
  }

  onDrain(): void {
    const callback = this.#pendingCallback
    this.#pendingCallback = undefined
    if (callback) process.nextTick(callback)
  }

  onResponse(status: number, _statusText: string, rawHeaders: readonly string[]): void {
    this.#httpStatus = status
    this.#headFields = rawHeaders
    this.#queue.addHead(rawHeaders.length > 0 ? toMetadata(this.#context.grpc, rawHeaders) : undefined)
  }

  onData(chunk: Uint8Array): void {
    this.#queue.addMessage(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk))
    if (!this.#queue.wantsMore) this.#control?.pause()
  }

  onEnd(rawTrailers: readonly string[]): void {
    const fields = findField(rawTrailers, 'grpc-status') === undefined ? this.#headFields : rawTrailers
    const told = findField(fields, 'grpc-status')
    const code = told === undefined ? grpcStatusOfHttp(this.#httpStatus) : Number(told)
    const details = decodeDetails(findField(fields, 'grpc-message'))
    this.#end(code, details, toMetadata(this.#context.grpc, rawTrailers))
  }

  onError(error: SdError): void {
    if (this.#mayWait(error)) this.#waitForChange()
    else this.#end(codeOf(error), error.message)
  }

  /** No further calls are possible. */
  refuse(reason: string): void {
    if (this.#leaveWait) this.#end(statusCodes.unavailable, reason)
  }

  #begin(): void {
    const refusal = this.#context.refusal()
    if (refusal !== undefined) {
      this.#end(statusCodes.unavailable, refusal)
      return
    }
    this.#instances = this.#context.instances()
    try {
      this.#control = this.#context.client.forward(this.#toRequest(), this)
    } catch (error) {
      const failure = toSdError(error, 'SD_INVALID', "The call can't be started")
      this.#end(codeOf(failure), failure.message)
      return
    }
    if (!this.#queue.hasReads) this.#control.pause()
    if (!this.#init.kind.requestStream && this.#unsent?.length) return
    let isTaken = true
    for (const message of this.#unsent ?? []) isTaken = this.#control.write(message)
    if (this.#isHalfClosed) this.#control.end()
    else if (isTaken) this.onDrain()
  }

  #toRequest(): PolicyRequest {
    const { service, hashMetadata } = this.#context
    const { path, kind } = this.#init
    const deadline = this.#findDeadline()
    const hashKey = hashMetadata === undefined ? undefined : findField(this.#fields, hashMetadata) || undefined
    const priority = readPriority({ [PRIORITY_HEADER]: findField(this.#fields, PRIORITY_HEADER) })
    const [message] = this.#unsent ?? []
    return {
      service,
      method: 'POST',
      path,
      rawHeaders: this.#fields,
      // The service's limit is for calls with one response that have no limit of their own: a stream may last as long
      // as its caller wants.
      ...((kind.responseStream || this.#init.deadline !== Number.POSITIVE_INFINITY) && { headTimeoutMs: 0 }),
      idleTimeoutMs: 0,
      replayBytes: 0,
      judge: judgeGrpcResponse,
      transport: { name: 'grpc', send: this.#send, close: async () => undefined },
      ...(deadline !== Number.POSITIVE_INFINITY && { deadlineAt: performance.now() + deadline - Date.now() }),
      ...(hashKey !== undefined && { hashKey }),
      ...(priority && { priority }),
      ...(kind.requestStream || !message ? { hasBody: true } : { body: message }),
    }
  }

  #findDeadline(): number {
    const { deadline, parent, propagateFlags } = this.#init
    if (!parent || ((propagateFlags ?? 0xffff) & propagateDeadline) === 0) return deadline
    return Math.min(deadline, Number(parent.getDeadline()))
  }

  readonly #send: PolicyRequest['transport']['send'] = (endpoint, request, handler) => {
    const { grpc, channel } = this.#context
    const { kind, host, propagateFlags } = this.#init
    const exchange = new GrpcExchange(
      {
        grpc,
        channel,
        kind,
        host,
        propagateFlags,
        credentials: this.#credentials,
        metadataOptions: this.#metadataOptions,
        flagsOf: (message) => this.#flags.get(message),
      },
      endpoint,
      {
        onSend: () => {
          this.#isSent = true
          this.#unsent = undefined
          handler.onSend()
        },
        onDrain: () => handler.onDrain?.(),
        onResponse: (status, headers, statusText) => handler.onResponse(status, headers, statusText),
        onData: (chunk) => handler.onData(chunk),
        onEnd: (trailers) => handler.onEnd(trailers),
        onError: (error, wasSent) => handler.onError(error, wasSent),
      },
    )
    this.#exchange = exchange
    return exchange.start(request)
  }

  /** A `waitForReady` call that no instance has seen is started again when there may be another instance. */
  #mayWait({ code }: SdError): boolean {
    const { waitForReady } = this.#metadataOptions as { readonly waitForReady?: boolean }
    if (!waitForReady || this.#isSent || this.#queue.status) return false
    return code === 'SD_NO_INSTANCE' || code === 'SD_UNAVAILABLE'
  }

  #waitForChange(): void {
    const deadline = this.#findDeadline()
    this.#control = undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const again = (): void => {
      clearTimeout(timer)
      this.#leaveWait = undefined
      if (!this.#queue.status) this.#begin()
    }
    const leave = this.#context.wait(again)
    // A change since its start is not reported again.
    if (this.#instances !== this.#context.instances()) {
      leave()
      setImmediate(again)
      this.#leaveWait = () => undefined
      return
    }
    const leftMs = Math.max(0, deadline - Date.now())
    if (leftMs < longestTimerMs)
      timer = setTimeout(() => this.#end(statusCodes.deadlineExceeded, 'No instance within the deadline'), leftMs)
    this.#leaveWait = () => {
      clearTimeout(timer)
      leave()
    }
  }

  readonly #onParentCancelled = (): void => this.cancelWithStatus(statusCodes.cancelled, 'Cancelled by parent call')

  #end(code: number, details: string, metadata = new this.#context.grpc.Metadata() as GrpcMetadata): void {
    if (this.#queue.status) return
    this.#leaveWait?.()
    this.#context.openCalls.delete(this)
    this.#init.parent?.removeListener('cancelled', this.#onParentCancelled)
    this.onDrain()
    this.#queue.status = { code, details, metadata }
  }
}

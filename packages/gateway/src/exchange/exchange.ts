import type { Duplex } from 'node:stream'
import type { ForwardControl, ForwardHandler } from '@sd/client'
import { type Endpoint, publishTelemetry, SdError, toSdError } from '@sd/core'
import type { GatewayReply } from '../filters/filter.ts'
import type { CallProtocol, ConvertedRequest, GatewayCall, ReplyCause } from '../protocol.ts'
import type { CompiledRoute } from '../routing/compiled-table.ts'
import type { CompiledTarget } from '../routing/compiled-target.ts'
import { BodyChain, type TransformOwner } from './body-chain.ts'
import type { BodyCollector } from './body-collector.ts'
import type { Downstream, ExchangeInput, IncomingRequest } from './downstream.ts'
import type { ExchangeContext } from './exchange-context.ts'
import { ExchangeHead } from './exchange-head.ts'
import { ExchangeUpgrade } from './exchange-upgrade.ts'
import { endFilters, type FilterTaker, filterError, filterFailure, filterRequest, filterResponse } from './filter-hooks.ts'
import { optionsOf, toForwardRequest, toRoutedRequest } from './forward-call.ts'
import { isLoop } from './forwarding-fields.ts'
import { clientGone, hasBody, mostInformation } from './message-rules.ts'
import { OutcomeRecorder } from './outcome-recorder.ts'
import { detailOf, errorReply, loop, noRoute, readReply, reasonOf, redirectReply, statusOf } from './reply.ts'
import { ReplySource } from './reply-source.ts'
import { type BodyFailure, RequestBody, tooLong } from './request-body.ts'
import { readRequestFields } from './request-fields.ts'
import { isRefusal } from './request-target.ts'
import { readResponseFields, readTrailers } from './response-fields.ts'
import { sendSubrequest } from './subrequest.ts'
import { convertWith, replyWith, type WholeBodyOwner } from './whole-body.ts'

/** One request and its response: security rules, route, filters, and the call of the client. */
export class Exchange extends ExchangeHead implements FilterTaker, WholeBodyOwner, TransformOwner, ForwardHandler, ExchangeInput {
  readonly #context: ExchangeContext
  readonly #request: IncomingRequest
  readonly #downstream: Downstream
  readonly #record = new OutcomeRecorder()
  #route: CompiledRoute | undefined
  #target: CompiledTarget | undefined
  #call: GatewayCall | undefined
  #upgrade: ExchangeUpgrade | undefined
  #control: ForwardControl | undefined
  #error: SdError | undefined
  #skipsFilters = false
  #isHeadOnly = false
  #isOver = false
  /** Where the body of the response goes, if not to the client as it is. */
  #sink: BodyChain | BodyCollector | undefined
  #body: RequestBody | undefined
  #source: ReplySource | undefined
  #information = 0

  constructor(context: ExchangeContext, request: IncomingRequest, downstream: Downstream) {
    super(request)
    this.#context = context
    this.#request = request
    this.#downstream = downstream
  }

  get route(): string {
    return this.#route?.spec.name ?? ''
  }

  /** Whether the route allows to push what a response asks to preload. */
  get allowsPush(): boolean {
    return this.#route?.spec.push === true
  }

  get service(): string | undefined {
    return this.#target?.service
  }

  /** Begins. No exception leaves it. */
  start(): void {
    this.#context.openExchanges.size++
    this.#attempt(() => this.#admit())
  }

  #attempt(step: () => void): void {
    try {
      step()
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** Responds to a request that a front could not read. */
  refuse(status: number, detail: string): void {
    this.#context.openExchanges.size++
    this.#refuse(status, detail)
  }

  #admit(): void {
    const request = readRequestFields(this.#request.head, this.#request.limits)
    if (isRefusal(request)) {
      this.#refuse(request.status, request.detail)
      return
    }
    const { pseudonym, table, calls } = this.#context
    this.admit(request, pseudonym)
    const protocol = this.recognise(calls)
    const { router } = table()
    const routed = toRoutedRequest(this)
    const comesBack = isLoop(request.via, pseudonym)
    this.#route = comesBack ? undefined : router.find(routed)
    this.#route?.userFilters.acquire()
    if (protocol) this.#begin(protocol)
    if (!this.#route) {
      this.#replyError(...(comesBack ? loop() : noRoute(this.method, router.allowedMethods(routed))))
      return
    }
    const { action, spec } = this.#route
    const { bodyBytes = Number.POSITIVE_INFINITY } = spec.limits ?? {}
    if ((request.contentLength ?? 0) > bodyBytes) {
      this.#stopBody(...tooLong(bodyBytes))
      return
    }
    if (action.kind === 'forward') this.#target = action.pick(this)
    filterRequest(this.#route, this, 0)
  }

  #begin(protocol: CallProtocol): void {
    this.#call = protocol.begin(this, optionsOf(this.#route?.spec, protocol))
    this.limit(this.#call.timeoutMs)
  }

  // The filters.

  onFiltered(): void {
    if (!this.#isOver) this.#attempt(() => this.#act())
  }

  #act(): void {
    const { action } = this.#route as CompiledRoute
    const reader = this.#call?.respond?.()
    const converter = action.kind === 'forward' ? this.#call?.convert?.() : undefined
    const collector = reader ? replyWith(reader, this) : converter && convertWith(converter, this)
    if (collector && this.hasBody) this.#acceptBody(collector)
    else if (collector) collector.end()
    else if (action.kind === 'forward') this.#forward(this.#target as CompiledTarget)
    else if (action.kind === 'redirect') this.#reply(redirectReply(action.redirect, action.toPath(this.path), this))
    else this.#reply(action.response)
  }

  onFilterReply(reply: GatewayReply): void {
    this.#attempt(() => this.#reply(reply))
  }

  onFilterError(thrown: unknown): void {
    const failure = filterFailure(thrown)
    if (failure[0] > 0) this.#replyError(...failure)
    else if (!this.#isOver) this.#cut(failure[1])
  }

  subrequest(rawHeaders: readonly string[], handler: ForwardHandler): ForwardControl | undefined {
    if (!this.#target) return undefined
    const sent = { exchange: this, route: this.#route as CompiledRoute, target: this.#target, rawHeaders }
    return sendSubrequest(this.#context.client, sent, handler)
  }

  #forward(target: CompiledTarget, converted?: ConvertedRequest): void {
    const { method, path, deadlineAt } = this
    const { upgrade } = this.#request.head
    const { spec } = this.#route as CompiledRoute
    const protocol = upgrade === undefined ? undefined : this.#context.upgrades.get(upgrade)
    this.#upgrade = protocol && new ExchangeUpgrade(this.#context, protocol, this, spec)
    const refusal = this.#upgrade?.admit()
    if (refusal) {
      this.#reply(refusal)
      return
    }
    if (spec.rewrite?.host !== undefined) this.fields.set('host', spec.rewrite.host)
    const body = { hasBody: this.hasBody && !converted, converted }
    const parts = { method, path, deadlineAt, upgrade, call: this.#call, cleanHeaders: this.fields.raw, ...body }
    const { client } = this.#context
    const request = toForwardRequest(this.#route as CompiledRoute, target, parts)
    this.#record.session = target.session
    this.#record.mirror = this.#route?.mirror?.begin(client, request)
    this.#control = client.forward(request, this)
    if (body.hasBody) this.#acceptBody(this.#control)
  }

  onConverted(request: ConvertedRequest): void {
    if (!this.#isOver) this.#forward(this.#target as CompiledTarget, request)
  }

  #acceptBody(control: ForwardControl): void {
    const { bodyBytes: limit, minBodyRate } = this.#route?.spec.limits ?? {}
    const rate = minBodyRate ? { ...this.#request.limits.minBodyRate, ...minBodyRate } : this.#request.limits.minBodyRate
    const onFailure = (...failure: BodyFailure): void => this.#stopBody(...failure)
    const ends = { downstream: this.#downstream, control, record: this.#record, call: this.#call, onFailure }
    this.#body = new RequestBody(ends, { transforms: this.bodyTransforms, limit, rate, paces: this.#context.paces })
    this.#downstream.acceptBody()
  }

  // The request, from the front.

  onBody(chunk: Uint8Array): void {
    if (!this.#isOver) this.#body?.write(chunk)
  }

  onBodyEnd(rawTrailers: readonly string[]): void {
    if (!this.#isOver) this.#body?.end(rawTrailers)
  }

  onWritable(): void {
    if (this.#sink) this.#sink.resume()
    else this.#control?.resume()
  }

  onBadRequest(status: number, detail: string): void {
    if (this.#isOver) return
    this.#stopBody(status, new SdError(status === 408 ? 'SD_TIMEOUT' : 'SD_INVALID', detail, { origin: 'caller' }), detail)
  }

  onClientGone(error: SdError): void {
    if (this.#isOver) return
    // The end of an upgraded connection is the end of its exchange.
    if (this.#record.status === 101) this.#finish(101, undefined)
    else this.#finish(clientGone, error)
    this.#control?.abort(error)
  }

  // The response, from the client.

  onDrain(): void {
    this.#body?.resume()
  }

  onInformation(status: number, rawHeaders: readonly string[]): void {
    if (this.#isOver || ++this.#information > mostInformation) return
    this.#downstream.information(status, readResponseFields(status, rawHeaders) ?? [])
  }

  onResponse(status: number, statusText: string, rawHeaders: readonly string[], endpoint: Endpoint): void {
    if (this.#isOver) return
    this.#record.endpoint = endpoint
    const raw = readResponseFields(status, rawHeaders)
    if (raw) {
      this.#target?.session?.responded(endpoint, raw)
      const reader = this.#call?.replace?.(status, raw)
      if (reader) this.#sink = replyWith(reader, this)
      else this.#sendHead(status, statusText, raw, hasBody(this.method, status))
      return
    }
    const error = new SdError('SD_MALFORMED', 'The response has a transfer-encoding other than chunked', { origin: 'peer' })
    this.#fail(error)
    this.#control?.abort(error)
  }

  onData(chunk: Uint8Array): void {
    if (this.#isOver || this.#isHeadOnly) return
    this.#record.bytesOut += chunk.byteLength
    this.#call?.onResponseData?.(chunk)
    if (!(this.#sink ?? this.#downstream).write(chunk)) this.#control?.pause()
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#isOver) return
    const received = readTrailers(rawTrailers)
    const trailers = (this.#record.status > 0 && this.#call?.onTrailers?.(received)) || received
    if (this.#sink) this.#sink.end(trailers)
    else this.onTransformEnd(trailers)
  }

  onTransformEnd(rawTrailers: readonly string[]): void {
    this.#downstream.end(rawTrailers)
    this.#finish(this.#record.status, undefined)
  }

  onTransformDrain(): void {
    this.#control?.resume()
  }

  onTransformError(thrown: unknown): void {
    const error = filterError(thrown)
    if (!this.#isOver) this.#cut(error)
    this.#control?.abort(error)
  }

  onUpgrade(service: Duplex, rawHeaders: readonly string[], endpoint: Endpoint): void {
    const upgrade = this.#upgrade
    if (this.#isOver || !upgrade) {
      service.destroy()
      return
    }
    this.#record.endpoint = endpoint
    const raw = readResponseFields(101, rawHeaders) ?? []
    this.#target?.session?.responded(endpoint, raw)
    try {
      const client = this.#downstream.upgrade(raw)
      this.#record.begin(101)
      upgrade.connect(client, service, (error) => this.#finish(101, error))
    } catch (thrown) {
      service.destroy()
      this.#fail(thrown)
    }
  }

  onError(thrown: unknown): void {
    this.#fail(thrown)
  }

  // The response of the gateway.

  #reply(given: GatewayReply, cause?: ReplyCause): void {
    if (this.#isOver || this.#record.status > 0) return
    this.#sink = undefined
    const { status, body, raw, trailers, sendsBody } = readReply(this.#call?.onReply?.(given, cause) ?? given, this.method)
    if (!this.#sendHead(status, '', raw, sendsBody)) return
    if (sendsBody && typeof body === 'function') this.#control = this.#source = new ReplySource(body, this.#context.replies, this)
    else {
      if (sendsBody) this.onData(body as Uint8Array)
      this.onEnd(trailers)
    }
  }

  /** The request can't be passed on. Where its end is in doubt, so is the beginning of the next one. */
  #refuse(status: number, detail: string): void {
    if (status === 400 || status === 408 || status === 501 || status === 505) this.#downstream.closeAfter()
    this.#replyError(status, new SdError('SD_INVALID', detail, { origin: 'caller' }), detail)
  }

  /** Ends an exchange whose request body can't be read to its end. */
  #stopBody(status: number, error: SdError, detail: string): void {
    this.#downstream.closeAfter()
    if (this.#record.status > 0) this.#fail(error)
    else this.#replyError(status, error, detail)
    this.#control?.abort(error)
  }

  #replyError(status: number, error: SdError, detail: string, headers?: Readonly<Record<string, string>>): void {
    if (this.#isOver) return
    this.#error = error
    this.#reply(errorReply({ status, detail, error, accept: this.fields.get('accept'), headers }), { error, detail })
  }

  /** @returns false if a filter has failed, and with it the exchange */
  #sendHead(status: number, statusText: string, raw: string[], mayHaveBody: boolean): boolean {
    this.#isHeadOnly = this.#call?.endsWithHead?.(raw) ?? false
    const sendsBody = mayHaveBody && !this.#isHeadOnly
    try {
      const route = this.#skipsFilters ? undefined : this.#route
      const transforms = filterResponse(route, this.#call, this, { status, raw })
      if (transforms && sendsBody) this.#sink = new BodyChain(transforms, this.#downstream, this)
    } catch (thrown) {
      // It can't be asked about the response that says so.
      this.#skipsFilters = true
      this.onFilterError(thrown)
      this.#control?.abort(filterFailure(thrown)[1])
      return false
    }
    this.#record.begin(status)
    this.#downstream.head(status, reasonOf(status, statusText), raw, sendsBody)
    return true
  }

  /** Ends the exchange with an error: a response if none has begun, else a cut. */
  #fail(thrown: unknown): void {
    if (this.#isOver) return
    const isCall = thrown instanceof SdError
    const error = isCall ? thrown : toSdError(thrown, 'SD_UNSUPPORTED', 'The gateway failed')
    if (this.#record.status > 0) this.#break(error)
    else {
      const status = isCall ? statusOf(error) : 500
      this.#replyError(status, error, detailOf(status))
    }
  }

  /** The response has begun, and can't be completed. */
  #break(error: SdError): void {
    const trailers = this.#call?.onBroken?.(error)
    if (trailers) {
      this.#error = error
      this.onEnd(trailers)
    } else this.#cut(error)
  }

  #cut(error: SdError): void {
    this.#downstream.cut(error)
    this.#finish(this.#record.status, error)
  }

  #finish(status: number, error: SdError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink?.destroy()
    this.#body?.destroy()
    this.#source?.abort()
    this.#record.bytesIn = this.#body?.bytes ?? 0
    const outcome = this.#record.finish(status, error ?? this.#error, this.#call?.grpcStatus)
    this.#call?.onEnd?.(outcome)
    this.#upgrade?.onEnd(outcome)
    if (this.#route) {
      endFilters(this.#route.filters, this, outcome)
      this.#route.userFilters.release()
    }
    publishTelemetry('sd:v1:gateway:exchange', { exchange: this, outcome })
    this.#context.openExchanges.size--
  }
}

import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import type { ForwardControl, ForwardHandler, ForwardRequest } from '@sd/client'
import { type Endpoint, SdError, toSdError } from '@sd/core'
import type { GatewayClient } from '../exchange/gateway-client.ts'
import type { GatewayConnection } from '../listener/connection.ts'
import type { CompiledRoute, CompiledTable } from '../routing/compiled-table.ts'
import { isUnchanged } from '../table/copy-data.ts'
import type { RouteSpec } from '../table/table.ts'
import type { GatewayStream, StreamEnd, StreamHandler, StreamRequest, StreamRoute } from './stream-protocol.ts'
import type { StreamRecord } from './stream-record.ts'

/** What all connections and sessions of a gateway share. */
export interface StreamSource {
  readonly client: GatewayClient
  /** The table in effect. */
  readonly table: () => CompiledTable
}

/** Where they are kept. */
export interface StreamHome {
  readonly context: StreamSource
  readonly open: Set<StreamCall>
}

/** One connection or session of a client: its route, and the call of the client that connects it. */
export class StreamCall implements GatewayStream, ForwardHandler {
  readonly #books: StreamHome
  readonly #protocol: string
  readonly #connection: GatewayConnection
  readonly #request: StreamRequest
  readonly #handler: StreamHandler
  readonly #record: StreamRecord
  #compiled: CompiledRoute | undefined
  #route: StreamRoute | undefined
  #control: ForwardControl | undefined
  #service: Duplex | undefined
  #leave: (() => void) | undefined
  #isOver = false

  constructor(
    books: StreamHome,
    parts: {
      readonly protocol: string
      readonly connection: GatewayConnection
      readonly request: StreamRequest
      readonly handler: StreamHandler
    },
    record: StreamRecord,
  ) {
    this.#books = books
    this.#protocol = parts.protocol
    this.#connection = parts.connection
    this.#request = parts.request
    this.#handler = parts.handler
    this.#record = record
  }

  /** Begins. The handler is called later. */
  async begin(): Promise<void> {
    try {
      // Not before `forward` has returned.
      await undefined
      if (this.#isOver) return
      this.#find()
      await this.#compiled?.streams?.admit(this.#connection.remoteAddress)
      if (!this.#isOver) this.#forward()
    } catch (thrown) {
      this.onError(toSdError(thrown, 'SD_UNSUPPORTED', 'The gateway failed'))
    }
  }

  #find(): void {
    const { listener } = this.#connection
    const protocol = this.#protocol
    const host = this.#request.host?.toLowerCase() ?? ''
    const router = this.#books.context.table().streams.get(protocol)
    const routed = { listener, method: 'CONNECT', host, path: '/', protocol, rawHeaders: [] }
    this.#compiled = router?.find(routed)
    if (!this.#compiled) {
      this.#record.reason = 'no-route'
      throw new SdError('SD_INVALID', 'No route matches the connection', { origin: 'caller' })
    }
  }

  #forward(): void {
    const { spec, action, streams } = this.#compiled as CompiledRoute
    if (action.kind !== 'forward') return
    const { service, accepts } = action.pickStream()
    const { name, options, timeouts = {} } = spec
    this.#route = { name, service, options, timeouts }
    this.#record.route = name
    this.#record.service = service
    this.#leave = streams?.enter()
    this.#books.open.add(this)
    const { headMs, maxMs } = timeouts
    const request: ForwardRequest = {
      service,
      // The client has no method for it; policies treat this one as not idempotent.
      method: 'POST',
      path: '/',
      upgrade: this.#protocol,
      transport: this.#request.transport(this.#route),
      hashKey: this.#request.hashKey ?? this.#connection.remoteAddress,
      ...(headMs !== undefined && { headTimeoutMs: headMs }),
      ...(maxMs !== undefined && { maxDurationMs: maxMs }),
      ...(accepts && { filter: accepts }),
    }
    this.#control = this.#books.context.client.forward(request, this)
  }

  /** Whether a new route leaves it where it is. */
  suits(spec: RouteSpec): boolean {
    const own = this.#compiled?.spec
    if (!own) return false
    return own === spec || (isUnchanged(own, spec) && isDeepStrictEqual(own.options, spec.options))
  }

  get routeName(): string {
    return this.#record.route
  }

  onUpgrade(service: Duplex, _rawHeaders: readonly string[], endpoint: Endpoint): void {
    service.on('error', () => service.destroy())
    if (this.#isOver) {
      service.destroy()
      return
    }
    this.#record.instanceId = endpoint.instance.id
    this.#service = service
    this.#handler.onConnect(service, this.#route as StreamRoute)
    const { maxMs = 0 } = this.#route?.timeouts ?? {}
    if (maxMs > 0) {
      service.once('close', () => {
        if (!this.#isOver && performance.now() - this.#record.startedAt >= maxMs) this.cut('duration')
      })
    }
  }

  onResponse(): void {
    this.onError(new SdError('SD_UNSUPPORTED', 'The transport has not connected'))
  }

  onData(): void {}

  onEnd(): void {}

  onError(error: SdError): void {
    if (this.#isOver) return
    this.#finish()
    this.#record.reason ??= 'unavailable'
    this.#handler.onError(error)
  }

  abort(): void {
    const wasOpen = !this.#isOver
    this.#finish()
    this.#service?.destroy()
    if (wasOpen) this.#control?.abort(new SdError('SD_ABORTED', 'The client closed the connection', { origin: 'caller' }))
  }

  /** The gateway ends it. */
  cut(reason: StreamEnd): void {
    if (this.#isOver) return
    this.#record.reason ??= reason
    this.abort()
    this.#handler.onCut?.(reason)
  }

  ended({ reason, bytesIn, bytesOut }: { reason?: StreamEnd | undefined; bytesIn: number; bytesOut: number }): void {
    this.#record.reason ??= reason
    this.#record.bytesIn = bytesIn
    this.#record.bytesOut = bytesOut
    this.#finish()
  }

  #finish(): void {
    this.#isOver = true
    this.#books.open.delete(this)
    this.#leave?.()
    this.#leave = undefined
  }
}

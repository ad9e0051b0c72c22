import type { Duplex } from 'node:stream'
import type { DatagramContext, DatagramSource, GatewayStream, StreamEnd } from '@sd/gateway'
import { udpTransport } from './service-socket.ts'
import { type ResolvedUdpOptions, readUdpOptions } from './udp-options.ts'

/** Most datagrams of a client that wait until its session has an instance. */
const maxQueued = 16

/** The datagrams of one client address. */
export class UdpSession {
  lastAt: number = performance.now()
  readonly #context: DatagramContext
  readonly #source: DatagramSource
  readonly #opened: ReturnType<DatagramContext['open']>
  readonly #stream: GatewayStream
  readonly #onEnd: () => void
  #queue: Uint8Array[] = []
  #service: Duplex | undefined
  #options: ResolvedUdpOptions | undefined
  #responses = 0
  #bytesIn = 0
  #bytesOut = 0
  #isOver = false

  constructor(context: DatagramContext, source: DatagramSource, onEnd: () => void) {
    this.#context = context
    this.#source = source
    this.#onEnd = onEnd
    this.#opened = context.open(source)
    this.#stream = context.forward(
      this.#opened.connection,
      { transport: () => udpTransport },
      {
        onConnect: (service, { options, timeouts }) => {
          this.#connect(service, readUdpOptions(options, 'options', timeouts.idleMs))
        },
        onError: () => this.end(undefined),
        onCut: (reason) => this.end(reason),
      },
    )
  }

  receive(message: Uint8Array): void {
    this.lastAt = performance.now()
    this.#bytesIn += message.length
    if (this.#service) {
      // What the system does not take is lost, as the network loses it.
      if (!this.#service.writableNeedDrain) this.#service.write(message)
    } else if (this.#queue.length < maxQueued) this.#queue.push(message)
  }

  /** @returns whether it has ended, because nothing came for as long as its route says */
  isIdle(now: number): boolean {
    return this.#options !== undefined && now - this.lastAt >= this.#options.idleMs
  }

  end(reason: StreamEnd | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#queue = []
    this.#stream.ended({ reason, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut })
    this.#stream.abort()
    this.#service?.destroy()
    this.#opened.close()
    this.#onEnd()
  }

  #connect(service: Duplex, options: ResolvedUdpOptions): void {
    if (this.#isOver) {
      service.destroy()
      return
    }
    this.#service = service
    this.#options = options
    service.on('data', (message: Uint8Array) => this.#respond(message))
    service.once('close', () => this.end(service.errored ? 'error' : undefined))
    for (const message of this.#queue) service.write(message)
    this.#queue = []
  }

  #respond(message: Uint8Array): void {
    if (this.#isOver) return
    this.lastAt = performance.now()
    this.#bytesOut += message.length
    this.#context.send(message, this.#source)
    this.#responses++
    if (this.#responses >= (this.#options?.responses ?? Number.MAX_SAFE_INTEGER)) this.end('service')
  }
}

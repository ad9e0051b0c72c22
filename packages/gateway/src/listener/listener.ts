import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { publishTelemetry, SdError } from '@sd/core'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { GatewayFront } from '../streams/stream-protocol.ts'
import { describeRecord, findRecord } from '../streams/stream-record.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import type { ClientConnection, ForwardingTrust } from './connection.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { datagramProtocolOf, openDatagramListener } from './datagram-listener.ts'
import type { Listener, PreparedSettings } from './listener-interface.ts'
import { createProtocols } from './listener-protocols.ts'
import { type ReceptionContext, type ReceptionSteps, receive } from './reception.ts'
import { TlsTermination } from './tls-termination.ts'
import { readTrustedNetworks } from './trusted-networks.ts'

/** How often a listener that finishes looks for connections without a request, and how long that is, in milliseconds. */
const unusedSweeps = 6
const sweepMs = 20

/** Binds the address. @throws SdError `SD_UNAVAILABLE` if that is not possible, and the errors of `Listener.prepare` */
export async function openListener(context: ExchangeContext, spec: ResolvedListener): Promise<Listener> {
  const datagrams = datagramProtocolOf(context, spec)
  if (datagrams) return openDatagramListener(context, spec, datagrams)
  const listener = new BoundListener(context, await prepareSteps(context, spec))
  await listener.bind()
  return listener
}

class BoundListener implements Listener {
  port = 0
  readonly #exchanges: ExchangeContext
  readonly #context: ReceptionContext
  readonly #counts = new ConnectionCounts()
  readonly #server = createServer({ noDelay: true }, (socket) => this.#accept(socket))
  readonly #sockets = new Set<Socket>()
  /** Sockets that no front serves yet. */
  readonly #receiving = new Set<Socket>()
  /** Sockets that came before `start`. */
  #waiting: Socket[] | undefined = []
  #steps: ReceptionSteps
  /** Fronts of earlier settings, while they have connections. */
  #retired: readonly GatewayFront[] = []
  #isDraining = false

  constructor(exchanges: ExchangeContext, steps: ReceptionSteps) {
    this.#exchanges = exchanges
    this.#steps = steps
    this.#context = {
      counts: this.#counts,
      current: () => this.#steps,
      onAccepted: (socket, protocol, connection) => this.#watch(socket, protocol, connection),
      onRefused: (reason, remoteAddress) =>
        publishTelemetry('sd:v1:gateway:refused', { listener: this.spec.name, remoteAddress, reason }),
    }
  }

  get spec(): ResolvedListener {
    return this.#steps.spec
  }

  get connections(): number {
    return this.#counts.total
  }

  get requests(): number {
    return this.#fronts.reduce((sum, front) => sum + front.requests, 0)
  }

  get streams(): number {
    const others = this.#fronts.filter(({ protocol }) => protocol !== 'http/1.1' && protocol !== 'h2')
    return others.reduce((sum, front) => sum + front.connections, 0)
  }

  get #fronts(): readonly GatewayFront[] {
    return [...this.#retired, ...this.#steps.protocols.map(({ front }) => front)]
  }

  async bind(): Promise<void> {
    const { name, host, port } = this.spec
    const server = this.#server
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(new SdError('SD_UNAVAILABLE', `Listener ${name}: ${cause.message}`, { cause, origin: 'local' }))
      server.once('error', fail)
      server.listen({ host, port }, () => {
        server.off('error', fail)
        // A connection that can't be accepted, for lack of file descriptors, is an error of the server. The next one may be.
        server.on('error', () => {})
        resolve()
      })
    })
    this.port = (server.address() as AddressInfo).port
  }

  async prepare(spec: ResolvedListener): Promise<PreparedSettings> {
    const steps = await prepareSteps(this.#exchanges, spec)
    return {
      apply: () => {
        this.#retired = this.#fronts
        this.#steps = steps
        this.#endRetired()
        if (this.#isDraining) this.beginDrain()
      },
      discard: () => endFronts(steps.protocols.map(({ front }) => front)),
    }
  }

  start(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const socket of waiting) this.#receive(socket)
  }

  beginDrain(): void {
    this.#isDraining = true
    for (const front of this.#fronts) front.beginDrain()
  }

  async finish(limitMs: number): Promise<void> {
    const unbound = this.#unbind()
    await this.#readFirstRequests()
    for (const socket of this.#receiving) socket.destroy()
    await Promise.all(this.#fronts.map((front) => front.finish(limitMs)))
    await unbound
  }

  /** Lets the requests arrive of connections that have just been accepted. */
  async #readFirstRequests(): Promise<void> {
    const isUnused = (socket: Socket): boolean => socket.bytesRead === 0 || this.#receiving.has(socket)
    for (let sweep = 0; sweep < unusedSweeps && [...this.#sockets].some(isUnused); sweep++) await delay(sweepMs)
  }

  async destroy(): Promise<void> {
    const unbound = this.#unbind()
    endFronts(this.#fronts)
    for (const socket of this.#sockets) socket.destroy()
    await unbound
  }

  /** Resolves when all connections are closed too. */
  async #unbind(): Promise<void> {
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    // The server does not wait for their events.
    await Promise.all(Array.from(this.#sockets, (socket) => new Promise((resolve) => socket.once('close', resolve))))
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      // The front counts it until its own listener has run.
      if (this.#retired.length > 0) setImmediate(() => this.#endRetired())
    })
    if (!this.#waiting) this.#receive(socket)
    else {
      // Without a listener an error of the socket would end the process.
      socket.on('error', () => socket.destroy())
      this.#waiting.push(socket)
    }
  }

  #receive(socket: Socket): void {
    this.#receiving.add(socket)
    void receive(socket, this.#steps, this.#context).then(() => this.#receiving.delete(socket))
  }

  /** Ends the fronts of earlier settings that have no connections: each has a timer. */
  #endRetired(): void {
    endFronts(this.#retired.filter((front) => front.connections === 0))
    this.#retired = this.#retired.filter((front) => front.connections > 0)
  }

  /** Publishes the beginning and the end of a connection that a front serves. */
  #watch(socket: Socket, protocol: string, connection: ClientConnection): void {
    const acceptedAt = performance.now()
    publishTelemetry('sd:v1:gateway:connection', { listener: this.spec.name, protocol, state: 'opened' })
    socket.once('close', (hasFailed) => {
      const ended = hasFailed ? 'error' : this.#isDraining ? 'drain' : socket.readableEnded ? 'client' : 'gateway'
      const event = { listener: this.spec.name, protocol, state: 'closed' as const, durationMs: performance.now() - acceptedAt }
      const record = findRecord(connection)
      if (!record) {
        publishTelemetry('sd:v1:gateway:connection', { ...event, reason: ended })
        return
      }
      // Its protocol completes the record when it learns that the socket has closed.
      queueMicrotask(() => {
        publishTelemetry('sd:v1:gateway:connection', { ...event, reason: record.reason ?? ended, ...describeRecord(record) })
      })
    })
  }
}

function endFronts(fronts: readonly GatewayFront[]): void {
  for (const front of fronts) front.destroy()
}

async function prepareSteps(context: ExchangeContext, spec: ResolvedListener): Promise<ReceptionSteps> {
  const trust: ForwardingTrust = {
    networks: readTrustedNetworks('trustedProxies', spec.trustedProxies),
    fields: spec.forwardingFields ?? 'x-forwarded',
  }
  const { tls: listenerTls } = spec
  const tls = listenerTls && new TlsTermination(spec, listenerTls, (error) => reportStale(context, error))
  await tls?.load()
  return { spec, trust, tls, protocols: createProtocols(context, spec) }
}

/** The listener goes on with the last valid certificates, as a gateway does with the last valid table. */
function reportStale({ pseudonym, table }: ExchangeContext, error: SdError): void {
  publishTelemetry('sd:v1:gateway:reload', { gateway: pseudonym, version: table().version, durationMs: 0, error })
}

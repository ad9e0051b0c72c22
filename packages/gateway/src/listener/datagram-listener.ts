import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { publishTelemetry, readIpAddress, SdError } from '@sd/core'
import type { ExchangeContext } from '../exchange/exchange-context.ts'
import type { DatagramFront, DatagramProtocol, DatagramSource } from '../streams/stream-protocol.ts'
import { describeRecord, recordOf } from '../streams/stream-record.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import { ClientConnection, type ForwardingTrust } from './connection.ts'
import type { Listener, PreparedSettings } from './listener-interface.ts'
import { createProtocolContext } from './listener-protocols.ts'
import { readTrustedNetworks } from './trusted-networks.ts'

/** The protocol of a listener for datagrams; `undefined` for others. */
export function datagramProtocolOf(
  { streamProtocols }: Pick<ExchangeContext, 'streamProtocols'>,
  { protocols = [] }: Pick<ResolvedListener, 'protocols'>,
): DatagramProtocol | undefined {
  const protocol = streamProtocols.get(protocols[0] ?? '')
  return protocol?.kind === 'datagram' ? protocol : undefined
}

/** Binds the address. @throws SdError `SD_UNAVAILABLE` if that is not possible */
export async function openDatagramListener(
  context: ExchangeContext,
  spec: ResolvedListener,
  protocol: DatagramProtocol,
): Promise<Listener> {
  const listener = new DatagramListener(context, spec, protocol)
  await listener.bind()
  return listener
}

class DatagramListener implements Listener {
  port = 0
  readonly requests = 0
  readonly #context: ExchangeContext
  readonly #socket: Socket
  #settings: { readonly spec: ResolvedListener; readonly trust: ForwardingTrust; readonly front: DatagramFront }
  #isStarted = false
  #isDraining = false
  #closed: Promise<void> | undefined

  constructor(context: ExchangeContext, spec: ResolvedListener, protocol: DatagramProtocol) {
    this.#context = context
    const isVersion6 = isIPv6(spec.host)
    this.#socket = createSocket({ type: isVersion6 ? 'udp6' : 'udp4' })
    this.#settings = this.#createSettings(spec, protocol)
  }

  get spec(): ResolvedListener {
    return this.#settings.spec
  }

  get connections(): number {
    return this.#settings.front.connections
  }

  get streams(): number {
    return this.connections
  }

  async bind(): Promise<void> {
    const { name, host, port } = this.spec
    const socket = this.#socket
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(new SdError('SD_UNAVAILABLE', `Listener ${name}: ${cause.message}`, { cause, origin: 'local' }))
      socket.once('error', fail)
      socket.bind({ port, address: host }, () => {
        socket.off('error', fail)
        // An answer that can't be sent is lost, as datagrams may be.
        socket.on('error', () => {})
        resolve()
      })
    })
    this.port = socket.address().port
    socket.on('message', (message, { address, port: from }) => {
      if (this.#isStarted) this.#settings.front.receive(message, { address, port: from })
    })
  }

  async prepare(spec: ResolvedListener): Promise<PreparedSettings> {
    const protocol = datagramProtocolOf(this.#context, spec) as DatagramProtocol
    const settings = this.#createSettings(spec, protocol)
    return {
      apply: () => {
        const { front } = this.#settings
        this.#settings = settings
        // Its clients would have two sessions otherwise.
        front.destroy()
      },
      discard: () => settings.front.destroy(),
    }
  }

  start(): void {
    this.#isStarted = true
  }

  beginDrain(): void {
    this.#isDraining = true
    this.#settings.front.beginDrain()
  }

  async finish(limitMs: number): Promise<void> {
    this.beginDrain()
    await this.#settings.front.finish(limitMs)
    await this.#close()
  }

  async destroy(): Promise<void> {
    this.#settings.front.destroy()
    await this.#close()
  }

  #close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => void this.#socket.close(() => resolve()))
    return this.#closed
  }

  #createSettings(spec: ResolvedListener, protocol: DatagramProtocol) {
    const trust: ForwardingTrust = {
      networks: readTrustedNetworks('trustedProxies', spec.trustedProxies),
      fields: spec.forwardingFields ?? 'x-forwarded',
    }
    const base = createProtocolContext(this.#context, spec, protocol.name)
    const front = protocol.createFront({
      protocol: base.protocol,
      limits: base.limits,
      timeouts: base.timeouts,
      get hasHosts() {
        return base.hasHosts
      },
      forward: base.forward,
      send: (message, to) => {
        if (!this.#closed) this.#socket.send(message, to.port, to.address, () => {})
      },
      open: (source) => this.#open(source, protocol.name),
    })
    return { spec, trust, front }
  }

  #open({ address, port }: DatagramSource, protocol: string) {
    const remoteAddress = readIpAddress(address) ?? address
    const init = { remoteAddress, remotePort: port, peerAddress: remoteAddress, tls: undefined }
    const connection = new ClientConnection(init, () => this.#settings)
    const record = recordOf(connection)
    const openedAt = performance.now()
    publishTelemetry('sd:v1:gateway:connection', { listener: this.spec.name, protocol, state: 'opened' })
    return {
      connection,
      close: () => {
        const reason = record.reason ?? (this.#isDraining ? 'drain' : 'gateway')
        const durationMs = performance.now() - openedAt
        const { name: listener } = this.spec
        const event = { listener, protocol, state: 'closed' as const, durationMs, reason, ...describeRecord(record) }
        publishTelemetry('sd:v1:gateway:connection', event)
      },
    }
  }
}

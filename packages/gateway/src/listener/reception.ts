import type { Socket } from 'node:net'
import { readIpAddress, SdError, type TelemetryEvents } from '@sd/core'
import type { GatewayFront } from '../streams/stream-protocol.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import type { HttpProtocol } from '../table/table.ts'
import { ClientConnection, type ForwardingTrust, type GatewayConnection } from './connection.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import type { ListenerProtocol } from './front.ts'
import { recogniseTls, type SelectableProtocol, selectProtocol } from './protocol-selection.ts'
import type { ProxiedSource } from './proxy-header.ts'
import { receiveProxyHeader } from './proxy-protocol.ts'

type RefusalReason = TelemetryEvents['sd:v1:gateway:refused']['reason']

/** Decrypts connections. */
export interface TlsStep {
  /** @throws SdError if the handshake fails or takes too long */
  secure(socket: Socket): Promise<SecuredSocket>
}

/** A socket after its TLS handshake. */
export interface SecuredSocket {
  readonly socket: Socket
  readonly tls: NonNullable<GatewayConnection['tls']>
  /** Protocol that both sides agreed on (ALPN); `undefined` if the client offered none. */
  readonly protocol: HttpProtocol | undefined
}

/** What a connection passes before a front serves it. */
export interface ReceptionSteps {
  readonly spec: ResolvedListener
  readonly trust: ForwardingTrust
  /** Absent for clear text. */
  readonly tls: TlsStep | undefined
  /** At least one, in order of preference. */
  readonly protocols: readonly ListenerProtocol[]
}

/** What all connections of a listener share, whatever its settings. */
export interface ReceptionContext {
  readonly counts: ConnectionCounts
  /** The settings in effect: a new table changes name and trust for open connections too. */
  readonly current: () => ReceptionSteps
  /** A front takes over a connection. @param socket the one that the front serves */
  readonly onAccepted: (socket: Socket, protocol: string, connection: ClientConnection) => void
  /** A connection ended before a front took it over. */
  readonly onRefused: (reason: RefusalReason, remoteAddress: string) => void
}

/** Takes a new connection through the steps: limits, PROXY header, TLS, protocol, front. Never rejects. */
export async function receive(accepted: Socket, steps: ReceptionSteps, context: ReceptionContext): Promise<void> {
  const reception = new Reception(accepted, steps, context)
  try {
    await reception.run()
  } catch {
    accepted.destroy()
    context.onRefused(reception.step, reception.remoteAddress)
  }
}

const overTls: SelectableProtocol = { recognise: recogniseTls, isHttp: true }
/** Of clients that don't begin it is not known yet. */
const inClear: SelectableProtocol = { isHttp: false }

/** One connection on its way to a front. A step that throws refuses it. */
class Reception {
  /** Why the connection is refused if the current step throws. */
  step: RefusalReason = 'connections'
  remoteAddress: string
  readonly #accepted: Socket
  readonly #steps: ReceptionSteps
  readonly #context: ReceptionContext
  readonly #peerAddress: string
  #remotePort: number

  constructor(accepted: Socket, steps: ReceptionSteps, context: ReceptionContext) {
    this.#accepted = accepted
    this.#steps = steps
    this.#context = context
    // A dual-stack listener reports IPv4 addresses as mapped ones.
    this.#peerAddress = readIpAddress(accepted.remoteAddress ?? '') ?? ''
    this.remoteAddress = this.#peerAddress
    this.#remotePort = accepted.remotePort ?? 0
    // Without a listener an error of the socket would end the process.
    accepted.on('error', () => accepted.destroy())
  }

  async run(): Promise<void> {
    const { spec, tls } = this.#steps
    this.#admit()
    if (spec.proxyProtocol === 'required') await this.#readProxyHeader()
    this.#admitClient()
    this.step = 'tls'
    const secured = tls && (await this.#wantsTls()) ? await tls.secure(this.#accepted) : undefined
    const socket = secured?.socket ?? this.#accepted
    this.step = 'protocol'
    const front = await this.#selectFront(secured, socket)
    if (socket.destroyed) return
    const { remoteAddress } = this
    const init = { remoteAddress, remotePort: this.#remotePort, peerAddress: this.#peerAddress, tls: secured?.tls }
    const connection = new ClientConnection(init, this.#context.current)
    this.#context.onAccepted(socket, front.protocol, connection)
    front.accept(socket, connection)
  }

  #admit(): void {
    const { counts } = this.#context
    if (!counts.add(this.#steps.spec.limits.connections)) throw new SdError('SD_REJECTED', 'Too many connections')
    this.#accepted.once('close', () => counts.remove())
  }

  async #readProxyHeader(): Promise<void> {
    const { spec, trust } = this.#steps
    this.step = 'untrusted-peer'
    if (!trust.networks.has(this.#peerAddress)) throw new SdError('SD_REJECTED', 'The peer is not a trusted proxy')
    this.step = 'proxy-header'
    const source = await awaitProxyHeader(this.#accepted, spec.timeouts.handshakeMs)
    if (!source) return
    this.remoteAddress = source.address
    this.#remotePort = source.port
  }

  /** Many clients share the address of a trusted proxy: the limit is for others. */
  #admitClient(): void {
    const { spec, trust } = this.#steps
    const { connectionsPerAddress } = spec.limits
    if (connectionsPerAddress === Number.MAX_SAFE_INTEGER || trust.networks.has(this.remoteAddress)) return
    this.step = 'connections-per-address'
    const leave = this.#context.counts.addClient(this.remoteAddress, connectionsPerAddress)
    if (!leave) throw new SdError('SD_REJECTED', 'Too many connections from one address')
    this.#accepted.once('close', leave)
  }

  /** Whether the client begins a TLS handshake, on a listener that also accepts clients without. */
  async #wantsTls(): Promise<boolean> {
    const { spec } = this.#steps
    if (spec.tls?.clearText !== true) return true
    return (await selectProtocol(this.#accepted, [overTls, inClear], spec.timeouts.handshakeMs)) === overTls
  }

  async #selectFront(secured: SecuredSocket | undefined, socket: Socket): Promise<GatewayFront> {
    const { protocols, spec } = this.#steps
    const [only] = protocols
    if (protocols.length === 1 && only && !(secured && only.isHttp)) return only.front
    const agreed = secured?.protocol ?? (secured && protocols.every(({ isHttp }) => isHttp) ? 'http/1.1' : undefined)
    if (agreed === undefined) return (await selectProtocol(socket, protocols, spec.timeouts.handshakeMs)).front
    const found = protocols.find(({ front }) => front.protocol === agreed)
    if (!found) throw new SdError('SD_INVALID', `The listener does not accept ${agreed}`)
    return found.front
  }
}

function awaitProxyHeader(socket: Socket, timeoutMs: number): Promise<ProxiedSource | undefined> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new SdError('SD_ABORTED', 'The peer closed the connection before its PROXY header'))
    socket.once('close', leave)
    receiveProxyHeader(socket, timeoutMs, (end) => {
      socket.off('close', leave)
      if (end.kind === 'received') resolve(end.source)
      else reject(new SdError('SD_INVALID', end.detail))
    })
  })
}

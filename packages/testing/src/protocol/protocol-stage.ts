import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { eventually } from '../waiting.ts'
import type { ProtocolGateway, ProtocolHarness, ProtocolSetup } from './protocol-harness.ts'
import { ProtocolPeer } from './protocol-peer.ts'

/** Time that a drain may take in the cases, in milliseconds. */
const closeTimeoutMs = 400

/** The service and the gateway of one case, and its clients. */
export class ProtocolStage {
  readonly eventuallyMs: number
  /** Connections that the service has accepted, in their order. */
  readonly served: ProtocolPeer[] = []
  readonly #harness: ProtocolHarness
  readonly #clients: ProtocolPeer[] = []
  #server: Server | undefined
  #gateway: ProtocolGateway | undefined

  constructor(harness: ProtocolHarness) {
    this.#harness = harness
    this.eventuallyMs = harness.eventuallyMs ?? 5_000
  }

  get gateway(): ProtocolGateway {
    if (!this.#gateway) throw new Error('The case has not started its gateway')
    return this.#gateway
  }

  /** The octets of a message. */
  message(text: string | Uint8Array): Buffer {
    const message = typeof text === 'string' ? Buffer.from(text) : text
    return Buffer.from(this.#harness.encode?.(message) ?? message)
  }

  /** Starts a service that records, and a gateway in front of it. */
  async start(options: Pick<ProtocolSetup, 'concurrency'> = {}): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => void this.served.push(new ProtocolPeer(socket)))
    this.#server = server
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    this.#gateway = await this.#harness.setup({ service: { host: '127.0.0.1', port }, closeTimeoutMs, ...options })
  }

  /** No connection is accepted any more; those that are open continue. */
  stopService(): void {
    this.#server?.close()
  }

  /** Opens a connection that allows that one side ends before the other. */
  async connect(): Promise<ProtocolPeer> {
    const socket = connect({ ...this.gateway.address, allowHalfOpen: true })
    const client = new ProtocolPeer(socket)
    this.#clients.push(client)
    await once(socket, 'connect')
    return client
  }

  /** Opens a connection, and waits until the service has its first message. */
  async open(text = 'hello'): Promise<{ readonly client: ProtocolPeer; readonly service: ProtocolPeer }> {
    const before = this.served.length
    const client = await this.connect()
    const first = this.message(text)
    client.socket.write(first)
    const service = await eventually(() => {
      const found = this.served.slice(before).find((peer) => peer.received.equals(first))
      if (!found) throw new Error('The service has not received the first message')
      return found
    }, this.eventuallyMs)
    return { client, service }
  }

  /** The connection of the service with this index. */
  next(index: number): Promise<ProtocolPeer> {
    return eventually(() => {
      const service = this.served[index]
      if (!service) throw new Error(`The service has ${this.served.length} connections`)
      return service
    }, this.eventuallyMs)
  }

  async dispose(): Promise<void> {
    for (const { socket } of [...this.#clients, ...this.served]) socket.destroy()
    this.#server?.close()
    await this.#gateway?.close()
  }
}

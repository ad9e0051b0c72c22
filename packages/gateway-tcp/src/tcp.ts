import type { Socket } from 'node:net'
import {
  type ConnectionProtocol,
  createConnectionFront,
  type GatewayConnection,
  type GatewayStream,
  type ProtocolContext,
  type ServedConnection,
} from '@sd/gateway'
import { JoinedConnections } from './joined-connections.ts'
import { peekServerName } from './peek-server-name.ts'
import { writeProxyHeader } from './proxy-header.ts'
import { type ResolvedTcpOptions, readTcpOptions } from './tcp-options.ts'
import { createTcpTransport } from './tcp-transport.ts'

/** Idle time of a connection without `timeouts.idleMs`, in milliseconds. */
const defaultIdleMs = 3_600_000

/**
 * Creates the protocol `tcp`: bytes of a connection go to an instance of the service, and back. `match.hosts` of its routes are
 * server names of TLS clients, whose connections are not decrypted.
 */
export function createTcp(): ConnectionProtocol {
  return {
    kind: 'connection',
    name: 'tcp',
    checkOptions: (options, path) => void readTcpOptions(options, path),
    createFront: (context) =>
      createConnectionFront(context.protocol, (socket, connection) => new TcpConnection(context, socket, connection)),
  }
}

class TcpConnection implements ServedConnection {
  readonly #context: ProtocolContext
  readonly #socket: Socket
  readonly #connection: GatewayConnection
  #stream: GatewayStream | undefined
  #joined: JoinedConnections | undefined

  constructor(context: ProtocolContext, socket: Socket, connection: GatewayConnection) {
    this.#context = context
    this.#socket = socket
    this.#connection = connection
    socket.once('close', () => {
      if (!this.#joined) this.#stream?.abort()
    })
    void this.#begin()
  }

  end(): void {
    if (this.#joined) this.#joined.end()
    else this.#socket.destroy()
  }

  async #begin(): Promise<void> {
    const { tls } = this.#connection
    const { hasHosts, timeouts } = this.#context
    try {
      const host = tls ? tls.serverName : hasHosts ? await peekServerName(this.#socket, timeouts.handshakeMs) : undefined
      if (!this.#socket.destroyed) this.#forward(host)
    } catch {
      this.#socket.destroy()
    }
  }

  #forward(host: string | undefined): void {
    const socket = this.#socket
    this.#stream = this.#context.forward(
      this.#connection,
      {
        host,
        transport: ({ options }) => {
          const resolved = readTcpOptions(options, 'options')
          const { keepAliveMs } = resolved
          socket.setKeepAlive(keepAliveMs > 0, keepAliveMs)
          return createTcpTransport(resolved, this.#headerFor(resolved))
        },
      },
      {
        onConnect: (service, { timeouts: { idleMs = defaultIdleMs } }) => {
          if (socket.destroyed) {
            service.destroy()
            return
          }
          this.#joined = new JoinedConnections(socket, service, { stream: this.#stream as GatewayStream, idleMs })
        },
        onError: () => socket.destroy(),
        onCut: () => socket.destroy(),
      },
    )
  }

  #headerFor({ proxyProtocol }: ResolvedTcpOptions): Buffer | undefined {
    if (proxyProtocol === undefined) return undefined
    const { remoteAddress, remotePort } = this.#connection
    const { localAddress = '', localPort = 0 } = this.#socket
    return writeProxyHeader(proxyProtocol, { remoteAddress, remotePort, localAddress, localPort })
  }
}

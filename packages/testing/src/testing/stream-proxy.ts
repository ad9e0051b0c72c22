import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { ProtocolGateway, ProtocolSetup } from '../protocol/protocol-harness.ts'

/** A mistake that the proxy makes. */
export type StreamFault =
  | 'loses the first octets'
  | 'takes the first chunk for a message'
  | 'changes a large message'
  | 'does not wait for the client'
  | 'does not wait for the service'
  | 'closes with the client'
  | 'closes with the service'
  | 'ignores a reset of the client'
  | 'ignores a reset of the service'
  | 'counts clients that have left'
  | 'keeps clients without a service'
  | 'has no limit'
  | 'closes with a reload'
  | 'drains at once'
  | 'drains for ever'

function pass(from: Socket, to: Socket, fault: StreamFault | undefined, side: 'client' | 'service'): void {
  const waits = fault !== `does not wait for the ${side === 'client' ? 'service' : 'client'}`
  from.on('data', (chunk: Buffer) => {
    const isChanged = fault === 'changes a large message' && chunk.byteLength > 10_000
    if (!to.write(isChanged ? Buffer.alloc(chunk.byteLength) : chunk) && waits) from.pause()
  })
  to.on('drain', () => from.resume())
  from.on('end', () => {
    if (fault === `closes with the ${side}`) to.destroy()
    else to.end()
  })
  from.on('close', () => {
    if (from.errored && fault !== `ignores a reset of the ${side}`) to.destroy()
  })
}

/** Forwards connections without any mistake but the planted one. */
export async function startStreamProxy(setup: ProtocolSetup, fault?: StreamFault): Promise<ProtocolGateway> {
  const { service, concurrency = Number.POSITIVE_INFINITY, closeTimeoutMs } = setup
  const sockets = new Set<Socket>()
  let open = 0

  function leave(client: Socket): void {
    if (fault !== 'counts clients that have left' || client.bytesRead > 4) open--
  }

  function serve(client: Socket, first: Buffer): void {
    if (fault === 'takes the first chunk for a message' && first.byteLength < 4) {
      client.destroy()
      return
    }
    const upstream = connect({ ...service, allowHalfOpen: true })
    sockets.add(upstream)
    let isConnected = false
    upstream.on('error', () => {
      if (!isConnected && fault === 'keeps clients without a service') return
      if (fault !== 'ignores a reset of the service') client.destroy()
    })
    client.once('close', () => {
      if (upstream.connecting) upstream.destroy()
    })
    upstream.once('connect', () => {
      isConnected = true
      pass(client, upstream, fault, 'client')
      pass(upstream, client, fault, 'service')
      if (fault !== 'loses the first octets') upstream.write(first)
      client.resume()
    })
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => {})
    if (open >= concurrency && fault !== 'has no limit') {
      client.destroy()
      return
    }
    open++
    sockets.add(client)
    client.once('close', () => leave(client))
    client.once('end', () => {
      if (client.bytesRead === 0) client.destroy()
    })
    client.once('data', (first: Buffer) => {
      client.pause()
      serve(client, first)
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))

  function destroy(): void {
    for (const socket of sockets) socket.destroy()
  }
  let closing: Promise<void> | undefined
  function close(): Promise<void> {
    if (closing) {
      destroy()
      return fault === 'drains for ever' ? Promise.resolve() : closing
    }
    closing = new Promise((resolve) => void server.close(() => resolve()))
    if (fault === 'drains at once') destroy()
    else if (fault !== 'drains for ever') setTimeout(destroy, closeTimeoutMs).unref()
    return closing
  }

  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    connections: () => open,
    async reload() {
      if (fault === 'closes with a reload') destroy()
    },
    close,
  }
}

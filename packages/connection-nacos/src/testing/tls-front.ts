import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { CertificateSet } from '@sd/test-servers'

/** Starts a gateway in front of a port of Nacos that ends TLS and requires a client certificate. */
export async function startTlsFront(
  port: number,
  { ca, server }: CertificateSet,
  frontPort: number = 0,
): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>()
  const options = { ...server, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2', 'http/1.1'] }
  const front = createServer(options, (incoming) => {
    const passed = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [incoming, passed],
      [passed, incoming],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => front.listen(frontPort, '127.0.0.1', resolve))
  return {
    port: (front.address() as AddressInfo).port,
    close() {
      front.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

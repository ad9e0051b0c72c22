import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { CertificateSet } from '@sd/test-servers'

/** Starts a TLS gateway in front of Nacos that requires a client certificate. */
export async function startTlsFront(
  port: number,
  { ca, server }: CertificateSet,
  frontPort: number = 0,
): Promise<{ port: number; close(): void }> {
  const front = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: true }, (incoming, outgoing) => {
    const { method, url, headers } = incoming
    const passed = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => front.listen(frontPort, '127.0.0.1', resolve))
  return {
    port: (front.address() as AddressInfo).port,
    close() {
      front.close()
      front.closeAllConnections()
    },
  }
}

import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { createCertificates } from '@sd/test-servers'
import { expect, onTestFinished, test } from 'vitest'
import type { ListenerSpec } from './table/table.ts'
import { openShop, portOf } from './testing/start-shop.ts'

const certificates = await createCertificates()
const line = 'PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n'

/** A listener behind a proxy that speaks the PROXY protocol; the service responds with the address of the client. */
async function startEdge(tls?: ListenerSpec['tls']): Promise<number> {
  const shop = openShop()
  await shop.startInstance('echo', (request, response) => response.end(String(request.headers['x-real-ip'])))
  const gateway = await shop.startGateway({
    listeners: [
      {
        name: 'edge',
        address: '127.0.0.1:0',
        proxyProtocol: 'required',
        trustedProxies: ['127.0.0.1'],
        ...(tls && { tls }),
      },
    ],
    routes: [{ name: 'echo', forward: { service: 'echo' } }],
  })
  return portOf(gateway)
}

/** A connection whose PROXY header has been sent. Corked: the next bytes go out together with it. */
async function openProxied(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.cork()
  socket.write(line)
  process.nextTick(() => socket.uncork())
  return socket
}

async function secure(socket: Socket, protocol: string): Promise<TLSSocket> {
  const secured = connectTls({ socket, ca: certificates.ca, servername: 'localhost', ALPNProtocols: [protocol] })
  await once(secured, 'secureConnect')
  return secured
}

async function getByHttp1(socket: Duplex): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  return text.split('\r\n\r\n')[1] ?? ''
}

async function getByHttp2(socket: Duplex): Promise<string> {
  const session: ClientHttp2Session = connectHttp2('http://shop', { createConnection: () => socket })
  const stream = session.request({ ':path': '/' })
  let body = ''
  for await (const chunk of stream) body += chunk
  session.close()
  return body
}

test.each([
  ['HTTP/1.1 in clear text', undefined, getByHttp1],
  ['HTTP/2 in clear text', undefined, getByHttp2],
  ['HTTP/1.1 over TLS', 'http/1.1', getByHttp1],
  ['HTTP/2 over TLS', 'h2', getByHttp2],
] as const)('a PROXY header is read before %s', async (_, protocol, get) => {
  const port = await startEdge(protocol && { certificates: [certificates.server] })
  const socket = await openProxied(port)
  expect(await get(protocol ? await secure(socket, protocol) : socket)).toBe('203.0.113.7')
})

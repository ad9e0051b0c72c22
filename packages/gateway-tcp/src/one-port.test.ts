import { createServer } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type CertificateSet, createCertificates } from '@sd/test-servers'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { startStage } from './testing/stage.ts'

let certificates: CertificateSet
beforeAll(async () => {
  certificates = await createCertificates(['edge.example'])
})

/** One port for HTTP/1.1, HTTP/2 and TCP, over TLS and without, behind a proxy that sends PROXY headers. */
async function startPort(isProxied: boolean, handshakeMs: number = 20_000): Promise<number> {
  const stage = startStage()
  await stage.serve('echo', 'echo', (socket) => void socket.pipe(socket))
  const server = createServer((request, response) => {
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    const { 'x-forwarded-proto': scheme, 'x-forwarded-for': client } = request.headers
    request.on('end', () => response.end(`${request.method} ${scheme} ${client} ${bytes}`))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await stage.register('web', 'web', (server.address() as AddressInfo).port)
  const { cert, key } = certificates.server
  const { port } = await stage.gateway([{}, { match: { protocol: 'http' }, forward: { service: 'web' } }], {
    listener: {
      protocols: ['h2', 'http/1.1', 'tcp'],
      tls: { certificates: [{ cert, key }], clearText: true },
      ...(isProxied && { trustedProxies: ['127.0.0.1'], proxyProtocol: 'required' }),
      timeouts: { handshakeMs },
    },
  })
  return port
}

/** Sends bytes in parts of a length, and waits for a text. */
async function exchange(socket: Socket, bytes: Buffer, expected: RegExp, partLength: number): Promise<string> {
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.on('error', () => undefined)
  const found = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => {
      text += chunk
      if (expected.test(text)) resolve()
    })
    socket.on('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)))
  })
  for (let at = 0; at < bytes.length; at += partLength) {
    const part = bytes.subarray(at, at + partLength)
    await new Promise<void>((resolve) => socket.write(part, () => setImmediate(resolve)))
  }
  await found
  return text
}

const body = Buffer.alloc(1_048_576, 'x')
const http1 = Buffer.from('GET / HTTP/1.1\r\nhost: edge.example\r\n\r\n')
const post = Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\nhost: edge.example\r\ncontent-length: ${body.length}\r\n\r\n`), body])
const proxyV1 = Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n')
const proxyV2 = Buffer.concat([
  Buffer.from([13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x21, 0x11, 0, 12]),
  Buffer.from([192, 0, 2, 7, 192, 0, 2, 1, 15, 160, 1, 187]),
])

const rows: readonly (readonly [string, Buffer, RegExp, number])[] = [
  ['HTTP/1.1', http1, /GET (https?) (\S+) 0$/, 65_536],
  ['HTTP/1.1, byte by byte', http1, /GET (https?) (\S+) 0$/, 1],
  ['a POST of 1 MiB with its first bytes', post, /POST (https?) (\S+) 1048576$/, post.length],
  ['TCP', Buffer.from('\0hello'), /hello$/, 65_536],
  ['TCP, byte by byte', Buffer.from('SSH-2.0-a\r\nhello'), /hello$/, 1],
]

function open(port: number, isSecure: boolean): Socket {
  if (!isSecure) return connect(port, '127.0.0.1')
  return connectTls({ port, host: '127.0.0.1', servername: 'edge.example', ca: certificates.ca })
}

test.each(rows)('without TLS: %s', async (_, bytes, expected, partLength) => {
  const text = await exchange(open(await startPort(false), false), bytes, expected, partLength)
  expect(text).not.toContain('https')
})

test.each(rows)('over TLS: %s', async (_, bytes, expected, partLength) => {
  const text = await exchange(open(await startPort(false), true), bytes, expected, partLength)
  expect(text.includes('http') ? text : 'https').toContain('https')
})

test.each([
  ['version 1', proxyV1],
  ['version 2', proxyV2],
])('behind a PROXY header of %s, byte by byte', async (_, header) => {
  const port = await startPort(true)
  const text = await exchange(open(port, false), Buffer.concat([header, http1]), /GET http \S+ 0$/, 1)
  expect(text).toContain('192.0.2.7')
  const plain = connect(port, '127.0.0.1')
  plain.write(header)
  const secured = connectTls({ socket: plain, servername: 'edge.example', ca: certificates.ca })
  expect(await exchange(secured, http1, /GET https \S+ 0$/, 1)).toContain('192.0.2.7')
})

test.each([false, true])('HTTP/2, over TLS: %s', async (isSecure) => {
  const port = await startPort(false)
  const options = { ca: certificates.ca, servername: 'edge.example' }
  const session = connectHttp2(`${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`, options)
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/', ':authority': 'edge.example' })
  let text = ''
  for await (const chunk of stream) text += chunk
  expect(text).toMatch(isSecure ? /^GET https / : /^GET http /)
})

test.each([
  ['no PROXY header behind a proxy', true, http1],
  ['half a preface of HTTP/2', false, Buffer.from('PRI * HTTP/2.0\r\n')],
  ['half a TLS record', false, Buffer.from([22, 3])],
])('a client with %s is cut off', async (_, isProxied, bytes) => {
  const socket = open(await startPort(isProxied, 200), false)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  socket.write(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  expect(socket.bytesRead).toBe(0)
})

test('a service that speaks first gets its connection after the time for the first bytes', async () => {
  const stage = startStage()
  await stage.serve('banner', 'banner', (socket) => void socket.write('220 ready\r\n'))
  const { cert, key } = certificates.server
  const { port } = await stage.gateway([{ forward: { service: 'banner' } }], {
    listener: {
      protocols: ['http/1.1', 'tcp'],
      tls: { certificates: [{ cert, key }], clearText: true },
      timeouts: { handshakeMs: 100 },
    },
  })
  const socket: Socket | TLSSocket = open(port, false)
  expect(await exchange(socket, Buffer.alloc(0), /220 ready/, 1)).toBe('220 ready\r\n')
})

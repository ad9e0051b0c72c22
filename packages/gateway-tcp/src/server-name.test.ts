import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import { createCertificates } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readClientHello } from './client-hello.ts'
import { listen, open, type Stage, startStage } from './testing/stage.ts'

const { ca, server: certificate } = await createCertificates(['*.example', 'localhost'])

/** A service that ends TLS itself. */
async function serveTls(stage: Stage, name: string): Promise<void> {
  const server = createServer({ ...certificate, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}).on('data', (chunk) => socket.write(`${name} ${chunk}`))
    onTestFinished(() => void socket.destroy())
  })
  await stage.register(name, name, await listen(server))
}

async function ask(port: number, servername: string | undefined, socket?: Socket): Promise<string> {
  const secured: TLSSocket = connectTls({
    ...(socket ? { socket } : { port, host: '127.0.0.1' }),
    ca,
    ...(servername !== undefined && { servername }),
    checkServerIdentity: () => undefined,
  })
  onTestFinished(() => void secured.destroy())
  secured.write('hi')
  const [chunk] = (await once(secured, 'data')) as [Buffer]
  return String(chunk)
}

async function startNames(): Promise<{ stage: Stage; port: number }> {
  const stage = startStage()
  for (const name of ['orders', 'carts', 'rest']) await serveTls(stage, name)
  const { port } = await stage.gateway([
    { match: { hosts: ['orders.example'] }, forward: { service: 'orders' } },
    { match: { hosts: ['*.carts.example'] }, forward: { service: 'carts' } },
    { forward: { service: 'rest' } },
  ])
  return { stage, port }
}

test.each([
  ['orders.example', 'orders hi'],
  ['ORDERS.example', 'orders hi'],
  ['eu.carts.example', 'carts hi'],
  ['unknown.example', 'rest hi'],
  [undefined, 'rest hi'],
])('the server name %s chooses the service, which ends TLS itself', async (servername, answer) => {
  const { port } = await startNames()
  expect(await ask(port, servername)).toBe(answer)
})

/** The ClientHello of a real client. */
async function captureHello(servername: string): Promise<Buffer> {
  const stage = startStage()
  const chunks: Buffer[] = []
  const port = await stage.serve('capture', 'capture', (socket) => socket.on('data', (chunk) => chunks.push(chunk)))
  const client = connectTls({ port, host: '127.0.0.1', servername }).on('error', () => {})
  onTestFinished(() => void client.destroy())
  await eventually(() => expect(readClientHello(Buffer.concat(chunks)).kind).toBe('hello'), 20_000)
  return Buffer.concat(chunks)
}

describe('a ClientHello', () => {
  test('is read byte by byte, and over records of any length', async () => {
    const hello = await captureHello('orders.example')
    const expected = { kind: 'hello', serverName: 'orders.example' }
    expect(readClientHello(hello)).toEqual(expected)
    for (let length = 0; length < hello.length; length++) {
      expect(readClientHello(hello.subarray(0, length))).toEqual({ kind: 'incomplete' })
    }
    for (const size of [1, 3, 100]) {
      const records: Buffer[] = []
      for (let at = 5; at < hello.length; at += size) {
        const part = hello.subarray(at, at + size)
        records.push(Buffer.from([22, 3, 1, 0, part.length]), part)
      }
      expect(readClientHello(Buffer.concat(records))).toEqual(expected)
    }
  })

  test.each([
    ['text', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['another message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['lengths that lead nowhere', Buffer.from([22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 0, 0])],
  ])('is not %s', (_name, bytes) => {
    expect(readClientHello(bytes)).toEqual({ kind: 'other' })
  })

  test('that arrives byte by byte reaches the service whole', async () => {
    const { stage, port } = await startNames()
    const received: Buffer[] = []
    await stage.serve('orders', 'recorder', (socket) => socket.on('data', (chunk) => received.push(chunk)))
    const hello = await captureHello('orders.example')
    // Round robin: one of two connections goes to the recorder.
    for (let turn = 0; turn < 2; turn++) {
      const client = connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {})
      onTestFinished(() => void client.destroy())
      for (const byte of hello) await new Promise((resolve) => client.write(Buffer.from([byte]), resolve))
    }
    await eventually(() => expect(Buffer.concat(received).equals(hello)).toBe(true), 20_000)
  })

  test('that does not end is bounded in time and in bytes', async () => {
    const stage = startStage()
    const { port } = await stage.gateway([{ match: { hosts: ['a.example'] } }], { listener: { timeouts: { handshakeMs: 100 } } })
    const half = open(port)
    half.socket.write(Buffer.from([22, 3, 1, 1, 0, 1, 0]))
    await half.ended
    const long = open(port)
    const record = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0]), Buffer.from([1, 0xff, 0xff, 0xff]), Buffer.alloc(16_380)])
    long.socket.write(record)
    await long.ended
  })
})

test('a client that sends nothing gets the route without hosts, where the service begins', async () => {
  const stage = startStage()
  await stage.serve('greeting', 'a', (socket) => socket.write('220 ready\r\n'))
  const { port } = await stage.gateway(
    [{ match: { hosts: ['a.example'] }, forward: { service: 'other' } }, { forward: { service: 'greeting' } }],
    { listener: { timeouts: { handshakeMs: 100 } } },
  )
  const client = open(port)
  await eventually(() => expect(client.text).toBe('220 ready\r\n'), 20_000)
})

test.each(['v1', 'v2'] as const)('the PROXY header %s has the address of the client', async (proxyProtocol) => {
  const stage = startStage()
  const received: Buffer[] = []
  await stage.serve('echo', 'a', (socket) => socket.on('data', (chunk) => received.push(chunk)))
  const { port } = await stage.gateway([{ options: { proxyProtocol } }])
  const client = open(port)
  client.socket.write('hi')
  const from = () => client.socket.localPort as number
  const ports = () => Buffer.from([from() >> 8, from() & 255, port >> 8, port & 255])
  await eventually(() => {
    const text = Buffer.concat(received).toString('latin1')
    if (proxyProtocol === 'v1') expect(text).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 ${from()} ${port}\r\nhi`)
    else {
      const head = '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01'
      expect(text).toBe(`${head}${ports().toString('latin1')}hi`)
    }
  }, 20_000)
})

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type ProxyHeaderEnd, receiveProxyHeader } from './proxy-protocol.ts'

const line = 'PROXY TCP4 192.0.2.1 10.0.0.1 56789 443\r\n'
const source = { address: '192.0.2.1', port: 56_789 }

/** Both sides of a connection. */
async function openPair(): Promise<{ client: Socket; served: Socket }> {
  const server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, noDelay: true })
  const [served] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    client.destroy()
    served.destroy()
    server.close()
  })
  return { client, served }
}

function receive(socket: Socket, timeoutMs = 60_000): Promise<ProxyHeaderEnd> {
  return new Promise((resolve) => receiveProxyHeader(socket, timeoutMs, resolve))
}

test('a header is taken off, and the bytes behind it stay', async () => {
  const { client, served } = await openPair()
  client.write(`${line}hello`)
  expect(await receive(served)).toEqual({ kind: 'received', source })
  const [bytes] = await once(served, 'data')
  expect(String(bytes)).toBe('hello')
})

test('a header may come byte by byte', async () => {
  const { client, served } = await openPair()
  const received = receive(served)
  for (const byte of line) {
    client.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.write('rest')
  expect(await received).toEqual({ kind: 'received', source })
  const [bytes] = await once(served, 'data')
  expect(String(bytes)).toBe('rest')
})

test('other bytes are refused', async () => {
  const { client, served } = await openPair()
  client.write('GET / HTTP/1.1\r\n')
  expect(await receive(served)).toEqual({ kind: 'refused', detail: 'no PROXY header' })
})

test('an incomplete header is refused after the time limit', async () => {
  const { client, served } = await openPair()
  client.write('PROXY TCP4 ')
  expect(await receive(served, 20)).toEqual({ kind: 'refused', detail: 'no PROXY header within 20 ms' })
})

test('a connection that closes before ends the wait', async () => {
  const { client, served } = await openPair()
  let ends = 0
  receiveProxyHeader(served, 50, () => ends++)
  client.destroy()
  await once(served, 'close')
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(ends).toBe(0)
  expect(served.listenerCount('readable')).toBe(0)
})

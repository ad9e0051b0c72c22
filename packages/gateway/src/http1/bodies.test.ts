import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { startEdge } from '../testing/http1-edge.ts'
import { RawClient } from '../testing/raw-client.ts'

const post = (fields: string, path = '/orders') => `POST ${path} HTTP/1.1\r\nhost: shop\r\n${fields}\r\n`
const mebi = 1024 * 1024

test('100 Continue is sent once the request is admitted, and the body afterwards', async () => {
  const edge = await startEdge({
    filters: [{ onRequest: () => delay(20, undefined) }],
    async service(request, response) {
      let body = ''
      for await (const chunk of request) body += chunk
      response.end(`${request.headers.expect} ${body}`)
    },
  })
  const client = new RawClient(edge.port).send(post('expect: 100-continue\r\ncontent-length: 3\r\n'))
  await client.until('HTTP/1.1 100 Continue\r\n\r\n')
  client.send('abc')
  expect(await client.until('undefined abc')).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
})

test.each([
  ['a filter', '/orders', 401, { onRequest: () => Promise.resolve({ status: 401 }) }],
  ['a missing instance', '/nobody', 503, {}],
])('a body that %s makes useless is not asked for', async (_, path, status, filter) => {
  const edge = await startEdge({ filters: [filter] })
  const client = new RawClient(edge.port).send(post('expect: 100-continue\r\ncontent-length: 3\r\n', path))
  // Without an instance the client may find out only after the request was admitted.
  expect(await client.until(new RegExp(`HTTP/1.1 ${status} `))).not.toContain(path === '/orders' ? ' 100 ' : ' 200 ')
})

test('an HTTP/1.0 client with an expectation gets no 100 Continue', async () => {
  const edge = await startEdge({ service: (request, response) => request.resume().on('end', () => response.end('read')) })
  const client = new RawClient(edge.port).send('POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\na')
  expect(await client.closed).toMatch(/^HTTP\/1.1 200 OK[\s\S]*read$/)
})

test('the unread body of a refused request is read to its end if it is short, and the connection goes on', async () => {
  const edge = await startEdge({ route: { respond: { status: 403, body: 'no' } } })
  const client = new RawClient(edge.port).send(`${post('content-length: 5\r\n')}abcde`)
  await client.until(/403 [\s\S]*no$/)
  client.send(`${post('content-length: 5\r\n')}abcde`)
  await client.until(/403 [\s\S]*403 [\s\S]*no$/)
})

test('the unread body of a refused request is not read without bound, and the client sees the response', async () => {
  const edge = await startEdge({ route: { limits: { bodyBytes: 1_000 } } })
  const client = new RawClient(edge.port).send(post(`content-length: ${1024 * mebi}\r\n`))
  const chunk = Buffer.alloc(65_536, 'a')
  const send = () => {
    while (client.socket.writable && client.socket.write(chunk));
  }
  client.socket.on('drain', send)
  send()
  const text = await client.closed
  expect(text).toMatch(/^HTTP\/1.1 413 [\s\S]*connection: close/i)
  expect(client.socket.bytesWritten).toBeLessThan(64 * mebi)
})

test('a chunked body above the limit of its route is cut off with 413, and the service notices', async () => {
  const [aborted, received] = [vi.fn(), vi.fn()]
  const edge = await startEdge({
    route: { limits: { bodyBytes: 10 } },
    service: (request) => request.on('error', aborted).on('data', received),
  })
  const client = new RawClient(edge.port).send(post('transfer-encoding: chunked\r\n')).send('8\r\nabcdefgh\r\n')
  await vi.waitFor(() => expect(received).toHaveBeenCalled(), 10_000)
  client.send('8\r\nabcdefgh\r\n')
  expect(await client.closed).toMatch(/^HTTP\/1.1 413 [\s\S]*connection: close/i)
  await vi.waitFor(() => expect(aborted).toHaveBeenCalled(), 10_000)
})

test('a response that begins before the body is complete is passed on, and the body too', async () => {
  const edge = await startEdge({
    service(request, response) {
      response.writeHead(200)
      response.write('early ')
      request.on('data', (chunk) => response.write(chunk)).on('end', () => response.end(' late'))
    },
  })
  const client = new RawClient(edge.port).send(post('transfer-encoding: chunked\r\n')).send('1\r\na\r\n')
  await client.until('early ')
  client.send('1\r\nb\r\n0\r\n\r\n')
  await client.until(/b(?:\r\n[\s\S]*)? late\r\n0\r\n\r\n$/)
})

test('a complete response ends a request whose body never ends', async () => {
  const edge = await startEdge({ service: (_, response) => response.end('enough') })
  const client = new RawClient(edge.port).send(post('transfer-encoding: chunked\r\n')).send('1\r\na\r\n')
  await client.until('enough')
  const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
  const timer = setInterval(() => client.socket.writable && client.send(chunk), 5)
  await client.closed
  clearInterval(timer)
  expect(edge.openExchanges.size).toBe(0)
})

test('a broken body after the head is refused with 400, and the service notices', async () => {
  const [aborted, received] = [vi.fn(), vi.fn()]
  const edge = await startEdge({ service: (request) => request.on('error', aborted).on('data', received) })
  const client = new RawClient(edge.port).send(post('transfer-encoding: chunked\r\n')).send('3\r\nabc\r\n')
  await vi.waitFor(() => expect(received).toHaveBeenCalled(), 10_000)
  client.send('zz\r\n')
  expect(await client.closed).toMatch(/^HTTP\/1.1 400 [\s\S]*connection: close/i)
  await vi.waitFor(() => expect(aborted).toHaveBeenCalled(), 10_000)
})

test('a body that stops is refused with 408', async () => {
  const edge = await startEdge({ timeouts: { idleBodyMs: 300 }, service: (request) => void request.resume() })
  const client = new RawClient(edge.port).send(`${post('content-length: 5\r\n')}abc`)
  expect(await client.closed).toMatch(/^HTTP\/1.1 408 [\s\S]*connection: close/i)
})

test('a body that keeps coming, but too slowly, is refused with 408', async () => {
  const edge = await startEdge({
    limits: { minBodyRate: { bytesPerSecond: 1_000, windowMs: 300 } },
    service: (request) => void request.resume(),
  })
  const client = new RawClient(edge.port).send(post('content-length: 100000\r\n'))
  const timer = setInterval(() => client.socket.writable && client.send('a'), 20)
  expect(await client.closed).toMatch(/^HTTP\/1.1 408 [\s\S]*connection: close[\s\S]*too slowly/i)
  clearInterval(timer)
  expect((await edge.recorded(1))[0]?.outcome).toMatchObject({ status: 408, error: { code: 'SD_TIMEOUT', origin: 'caller' } })
})

test.each([
  ['a route without a minimum', { route: { limits: { minBodyRate: { bytesPerSecond: 0 } } } }, ''],
  ['a service that has begun to respond', {}, 'early'],
])('a slow body is passed on for %s', async (_, options, early) => {
  const edge = await startEdge({
    ...options,
    limits: { minBodyRate: { bytesPerSecond: 100_000, windowMs: 250 } },
    service(request, response) {
      if (early) response.write(early)
      let body = ''
      request.on('data', (chunk) => (body += chunk)).on('end', () => response.end(`<${body}>`))
    },
  })
  const client = new RawClient(edge.port).send(post('content-length: 20\r\n'))
  if (early) await client.until(early)
  for (let index = 0; index < 20; index++) {
    client.send('a')
    await delay(50)
  }
  await client.until(`<${'a'.repeat(20)}>`)
})

test('a client is not slow while the service does not read', async () => {
  let goOn = () => {}
  const edge = await startEdge({
    limits: { minBodyRate: { bytesPerSecond: 100_000, windowMs: 250 } },
    service(request, response) {
      goOn = () => request.resume().on('end', () => response.end('all'))
    },
  })
  const client = new RawClient(edge.port).send(post(`content-length: ${32 * mebi}\r\n`)).send(Buffer.alloc(32 * mebi))
  await delay(1_000)
  expect(client.text).toBe('')
  goOn()
  await client.until('all')
})

test('trailers of the service are passed on, without those that come too late there', async () => {
  const edge = await startEdge({
    service(_, response) {
      response.writeHead(200, { trailer: 'x-sum' })
      response.write('hello')
      response.addTrailers({ 'x-sum': '5', 'content-type': 'text/html' })
      response.end()
    },
  })
  const text = await new RawClient(edge.port).send('GET / HTTP/1.1\r\nhost: shop\r\n\r\n').until(/\r\n0\r\n[\s\S]*\r\n\r\n$/)
  expect(text).toMatch(/\r\n0\r\nx-sum: 5\r\n\r\n$/i)
})

describe('128 MiB', () => {
  const size = 128 * mebi
  const chunk = Buffer.alloc(65_536, 'a')

  async function sendAll(writable: Writable): Promise<void> {
    for (let sent = 0; sent < size; sent += chunk.length) if (!writable.write(chunk)) await once(writable, 'drain')
  }

  /** Waits until a number no longer grows. */
  async function settled(read: () => number): Promise<number> {
    for (let before = -1; before !== read(); ) {
      before = read()
      await delay(200)
    }
    return read()
  }

  test('to a service that stops reading: the client has to wait', async () => {
    let goOn = () => {}
    const edge = await startEdge({
      service(request, response) {
        goOn = () => {
          let bytes = 0
          request.on('data', (data) => (bytes += data.length)).on('end', () => response.end(`<${bytes}>`))
        }
      },
    })
    const client = new RawClient(edge.port).send(post(`content-length: ${size}\r\n`))
    const sent = sendAll(client.socket)
    expect(await settled(() => client.socket.bytesWritten)).toBeLessThan(32 * mebi)
    goOn()
    await sent
    await client.until(`<${size}>`)
    expect((await edge.recorded(1))[0]?.outcome).toMatchObject({ status: 200, bytesIn: size })
  })

  test('to a client that stops reading: the service has to wait', async () => {
    let service: Socket | undefined
    const edge = await startEdge({
      async service(request, response) {
        service = request.socket
        await sendAll(response)
        response.end()
      },
    })
    const client = new RawClient(edge.port).send('GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n')
    await client.until('HTTP/1.1 200 OK')
    client.socket.pause()
    expect(await settled(() => service?.bytesWritten ?? 0)).toBeLessThan(32 * mebi)
    client.socket.removeAllListeners('data')
    client.socket.on('data', () => {})
    client.socket.resume()
    await client.closed
    expect((await edge.recorded(1))[0]?.outcome).toMatchObject({ status: 200, error: undefined, bytesOut: size })
  })
})

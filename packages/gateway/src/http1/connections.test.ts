import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { startEdge } from '../testing/http1-edge.ts'
import { exchangeRaw, RawClient } from '../testing/raw-client.ts'

const get = (path = '/orders', fields = '') => `GET ${path} HTTP/1.1\r\nhost: shop\r\n${fields}\r\n`

test('pipelined requests are handled one after the other, and answered in their order', async () => {
  let open = 0
  let most = 0
  const edge = await startEdge({
    service(request, response) {
      most = Math.max(most, ++open)
      setTimeout(() => {
        open--
        response.end(`<${request.url}>`)
      }, 2)
    },
  })
  const paths = Array.from({ length: 30 }, (_, index) => `/orders/${index}`)
  const text = await new RawClient(edge.port).send(paths.map((path) => get(path)).join('')).until('</orders/29>')
  expect([...text.matchAll(/<(.*?)>/g)].map((match) => match[1])).toEqual(paths)
  expect(most).toBe(1)
})

test('more pipelined requests than a connection may have are not begun: it closes after the others', async () => {
  const edge = await startEdge()
  const text = await exchangeRaw(edge.port, get().repeat(500))
  const responses = text.split('HTTP/1.1 200 OK').length - 1
  expect(responses).toBeGreaterThanOrEqual(64)
  expect(responses).toBeLessThan(500)
  expect(text.slice(text.lastIndexOf('HTTP/1.1'))).toMatch(/connection: close[\s\S]*hello$/i)
  expect(edge.records.length).toBe(responses)
})

test('what is not HTTP after a request does not harm that request', async () => {
  const edge = await startEdge({ service: (_, response) => setTimeout(() => response.end('hello'), 20) })
  const text = await exchangeRaw(edge.port, `${get()}\0\0\0\0`)
  expect(text).toMatch(/^HTTP\/1.1 200 OK[\s\S]*hello$/)
})

test('a connection closes after the last request that it may have', async () => {
  const edge = await startEdge({ limits: { requestsPerConnection: 2 } })
  const client = new RawClient(edge.port).send(get())
  expect(await client.until('hello')).toContain('keep-alive')
  client.send(get())
  expect(await client.closed).toMatch(/connection: close[\s\S]*hello$/i)
})

test('a connection without a request closes after its time limit, without a response', async () => {
  const edge = await startEdge({ timeouts: { idleConnectionMs: 200, headersMs: 300 } })
  const used = new RawClient(edge.port).send(get())
  await used.until('hello')
  expect(await used.closed).toMatch(/hello$/)
  expect(await new RawClient(edge.port).closed).toBe('')
  expect(edge.records.length).toBe(1)
})

test('a head that arrives slowly is refused with 408, although its server does not listen', async () => {
  const edge = await startEdge({ timeouts: { headersMs: 300 } })
  const client = new RawClient(edge.port).send('GET / HTTP/1.1\r\nhost: shop\r\n')
  const timer = setInterval(() => client.socket.writable && client.send('x-a: 1\r\n'), 50)
  const text = await client.closed
  clearInterval(timer)
  expect(text).toMatch(/^HTTP\/1.1 408 /)
  expect((await edge.recorded(1))[0]?.outcome.status).toBe(408)
})

test('a client that does not read its response is cut off, and the service notices', async () => {
  const closed = vi.fn()
  const edge = await startEdge({
    timeouts: { idleBodyMs: 300 },
    service(_, response) {
      response.on('close', closed)
      const send = () => {
        while (response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', send)
      send()
    },
  })
  const client = new RawClient(edge.port).send(get())
  client.socket.pause()
  const [record] = await edge.recorded(1)
  expect(record?.outcome.error?.code).toBe('SD_TIMEOUT')
  await vi.waitFor(() => expect(closed).toHaveBeenCalled(), 10_000)
})

test('a client that waits for a slow service is not cut off', async () => {
  const edge = await startEdge({
    timeouts: { idleBodyMs: 200 },
    service: (_, response) => setTimeout(() => response.end('at last'), 1_100),
  })
  expect(await new RawClient(edge.port).send(get()).until('at last')).toContain('200 OK')
})

test.each([
  ['closes the connection', (client: RawClient) => client.socket.destroy()],
  ['resets the connection', (client: RawClient) => client.socket.resetAndDestroy()],
  ['closes its side', (client: RawClient) => client.socket.end()],
])('a client that %s while it waits aborts the call', async (_, leave) => {
  const closed = vi.fn()
  const edge = await startEdge({ service: (request) => request.on('close', closed) })
  const client = new RawClient(edge.port).send(get())
  await once(client.socket, 'connect')
  await vi.waitFor(() => expect(edge.openExchanges.size).toBe(1), 10_000)
  leave(client)
  const [record] = await edge.recorded(1)
  expect(record?.outcome).toMatchObject({ status: 499, error: { code: 'SD_ABORTED' } })
  await vi.waitFor(() => expect(closed).toHaveBeenCalled(), 10_000)
})

test('HTTP/1.0: the connection closes after a response, or stays if asked', async () => {
  const edge = await startEdge({
    service(request, response) {
      if (request.url === '/stream') response.write('a')
      response.end('hello')
    },
  })
  expect(await exchangeRaw(edge.port, 'GET / HTTP/1.0\r\nhost: shop\r\n\r\n')).toMatch(/content-length: 5[\s\S]*hello$/i)
  const streamed = await exchangeRaw(edge.port, 'GET /stream HTTP/1.0\r\n\r\n')
  expect(streamed).toMatch(/ahello$/)
  expect(streamed).not.toMatch(/transfer-encoding/i)
  const kept = new RawClient(edge.port).send('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n')
  await kept.until('hello')
  kept.send('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n')
  await kept.until(/hello[\s\S]*hello/)
})

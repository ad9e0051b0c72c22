import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { type ServiceClientOptions, serviceOrigin } from '@sd/client'
import { createRetryPolicy } from '@sd/retry'
import axios, { type AxiosError } from 'axios'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createAxiosAdapter } from './index.ts'
import { createLocalClient, createServiceAxios } from './testing/both-adapters.ts'
import { type EchoServer, startEchoServer } from './testing/echo-server.ts'

let stock: EchoServer
beforeAll(async () => {
  stock = await startEchoServer()
})
afterAll(() => stock.close())

async function serve(listener: RequestListener): Promise<number> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function make(
  ports: Parameters<typeof createLocalClient>[0] = { stock: stock.port },
  options: Partial<ServiceClientOptions> = {},
) {
  const local = await createLocalClient(ports, options)
  onTestFinished(() => local.close())
  return { client: local.client, http: createServiceAxios(local.client) }
}

/** Rejects with what a request failed with. */
const errorOf = (sent: Promise<unknown>): Promise<AxiosError> =>
  sent.then(
    () => expect.fail('it succeeded'),
    (error) => error,
  )

describe('policies', () => {
  test('retry a request whose body is complete: JSON, a form, a stream of a known length', async () => {
    const bodies: string[] = []
    const port = await serve(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      bodies.push(Buffer.concat(chunks).toString())
      response.writeHead(bodies.length % 2 === 1 ? 503 : 200).end()
    })
    const retry = createRetryPolicy({ backoff: { kind: 'fixed', delayMs: 1 } })
    const { http } = await make({ stock: port }, { retry })
    await http.put('/', { a: 1 })
    await http.put('/', new URLSearchParams({ b: '2' }))
    const upload = new PassThrough()
    upload.end('stream')
    await http.put('/', upload, { headers: { 'Content-Length': '6' } })
    expect(bodies).toEqual(['{"a":1}', '{"a":1}', 'b=2', 'b=2', 'stream', 'stream'])
    const form = new FormData()
    form.append('c', '3')
    await http.put('/', form)
    expect(bodies.at(-1)).toContain('name="c"')
    expect(bodies.at(-1)).toBe(bodies.at(-2))
  })

  test('that reject a call are the cause of its error', async () => {
    const { http, client } = await make(undefined, { breaker: ({ name }) => createCockatielBreaker({ name }) })
    await http.get('/echo')
    client.breaker('stock')?.isolate()
    expect(await errorOf(http.get('/echo'))).toMatchObject({
      name: 'AxiosError',
      code: 'ERR_NETWORK',
      config: { url: '/echo', baseURL: 'http://stock/' },
      cause: { code: 'SD_REJECTED' },
    })
  })

  test('with a time limit of their own end a request without one, as a timeout of axios', async () => {
    const { http } = await make(undefined, { timeoutMs: 200 })
    const error = await errorOf(http.get('/after/5000'))
    expect(error).toMatchObject({ code: 'ECONNABORTED', cause: { code: 'SD_DEADLINE_EXCEEDED' } })
    expect(await errorOf(http.get('/pause/5000'))).toMatchObject({
      code: 'ECONNABORTED',
      cause: { code: 'SD_DEADLINE_EXCEEDED' },
    })
  })
})

describe('options of a call', () => {
  test('set its deadline, which the service receives', async () => {
    const limits: unknown[] = []
    const port = await serve((request, response) => {
      limits.push(Number(request.headers['x-request-timeout-ms']))
      response.end()
    })
    const { http } = await make({ stock: port }, { timeoutMs: 9_000 })
    await http.get('/', { timeout: 5_000 })
    await http.get('/', { sd: { deadlineAt: performance.now() + 1_000 } })
    await http.get('/')
    expect(limits).toEqual([
      expect.toSatisfy((limit: number) => limit > 1_000 && limit <= 5_000),
      expect.toSatisfy((limit: number) => limit > 0 && limit <= 1_000),
      expect.toSatisfy((limit: number) => limit > 5_000 && limit <= 9_000),
    ])
  })

  test('explain it, and are those of the instance if the request has none', async () => {
    const { client } = await make()
    const seen: string[] = []
    const sd = { explain: ({ service }: { readonly service: string }) => void seen.push(service) }
    const http = createServiceAxios(client, { sd })
    await http.get('/echo')
    expect(seen).toEqual(['stock'])
  })
})

describe('names', () => {
  test('that a URL would change are reached by serviceOrigin()', async () => {
    const { http } = await make({ 'Stock:admin': stock.port, Stock: stock.port })
    const { data } = await http.get('/echo', { baseURL: serviceOrigin('Stock') })
    expect(data).toMatchObject({ url: '/echo' })
  })

  test('without an instance are an error of the network', async () => {
    const { http } = await make()
    expect(await errorOf(http.get('http://nobody/echo'))).toMatchObject({
      code: 'ERR_NETWORK',
      cause: { code: 'SD_NO_INSTANCE' },
    })
  })

  test('that are not services take the way of axios, also after a redirect', async () => {
    const { client } = await make({ stock: stock.port, Stock: stock.port })
    const isService = (host: string): boolean => !host.includes('.')
    const http = axios.create({ adapter: createAxiosAdapter({ client, isService }), baseURL: 'http://stock/' })
    const outside = `http://127.0.0.1:${stock.port}/echo`
    expect((await http.get(outside)).data.url).toBe('/echo')
    expect((await http.get(`${serviceOrigin('Stock')}/echo`)).data.url).toBe('/echo')
    expect((await http.get(`/to/302?${encodeURIComponent(outside)}`)).data.url).toBe('/echo')
  })

  test('in a redirect to the address of the instance mean the service', async () => {
    let seen = 0
    const port = await serve((request, response) => {
      seen++
      if (request.url === '/b') response.end('arrived')
      else response.writeHead(302, { location: `http://127.0.0.1:${request.socket.localPort}/b` }).end()
    })
    const { http } = await make({ stock: port })
    const { data, request } = await http.get('/a')
    expect([data, seen, request.res.responseUrl]).toEqual(['arrived', 2, 'http://stock/b'])
  })
})

describe('streams', () => {
  test('are sent as they come, and read as they come', async () => {
    const port = await serve((request, response) => void request.pipe(response))
    const { http } = await make({ stock: port })
    const upload = new PassThrough()
    upload.write('first')
    const { data } = await http.post('/', upload, { responseType: 'stream' })
    expect(String((await once(data, 'data'))[0])).toBe('first')
    upload.end('last')
    expect(String((await once(data, 'data'))[0])).toBe('last')
    await once(data, 'end')
  })

  test('that are left end the call', async () => {
    let isClosed = false
    const port = await serve((_, response) => {
      response.on('close', () => {
        isClosed = true
      })
      response.write('first')
    })
    const { http } = await make({ stock: port })
    const { data } = await http.get('/', { responseType: 'stream' })
    await once(data, 'data')
    data.destroy()
    await expect.poll(() => isClosed).toBe(true)
  })

  test('have the time limit of axios until their head only', async () => {
    const { http } = await make(undefined, { timeoutMs: 300 })
    const { data } = await http.get('/pause/1500', { responseType: 'stream', timeout: 1_000 })
    const chunks: unknown[] = []
    for await (const chunk of data) chunks.push(String(chunk))
    expect(chunks.join('')).toBe('first last')
    expect(await errorOf(http.get('/after/5000', { responseType: 'stream', timeout: 100 }))).toMatchObject({
      code: 'ECONNABORTED',
      message: 'timeout of 100ms exceeded',
      cause: { code: 'SD_TIMEOUT' },
    })
  })
})

describe('mistakes', () => {
  test.each<[string, object]>([
    ['client', {}],
    ['client.request', { client: {} }],
    ['isService', { client: { request: () => undefined }, isService: true }],
    ['retries', { client: { request: () => undefined }, retries: 3 }],
  ])('in the option %s are named', (field, options) => {
    expect(() => createAxiosAdapter(options as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test.each([
    ['socketPath', { socketPath: '/run/docker.sock' }],
    ['httpVersion', { httpVersion: 2 }],
  ])('what a client can not do is said: %s', async (field, config) => {
    const { http } = await make()
    const error = await errorOf(http.get('/echo', config as object))
    expect(error).toMatchObject({
      code: 'ERR_NOT_SUPPORT',
      message: expect.stringContaining(field),
      cause: { code: 'SD_UNSUPPORTED' },
    })
  })

  test('what the client refuses to send is a bad request', async () => {
    const { client } = await make()
    const http = axios.create({ adapter: createAxiosAdapter({ client }), baseURL: 'http://stock/' })
    expect(await errorOf(http.request({ url: '/echo', method: 'CONNECT' }))).toMatchObject({
      code: 'ERR_BAD_REQUEST',
      cause: { code: 'SD_INVALID' },
    })
  })

  test('a closed client is an error of the network', async () => {
    const { client, http } = await make()
    await client.close()
    expect(await errorOf(http.get('/echo'))).toMatchObject({ code: 'ERR_NETWORK', cause: { code: 'SD_CLOSED' } })
  })

  test('environment proxies are for other hosts', async () => {
    const before = process.env['http_proxy']
    process.env['http_proxy'] = 'http://127.0.0.1:9'
    try {
      const { http } = await make()
      expect((await http.get('/echo')).data.url).toBe('/echo')
    } finally {
      if (before === undefined) delete process.env['http_proxy']
      else process.env['http_proxy'] = before
    }
  })
})

import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type Dispatcher, errors, FormData, interceptors, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { closedPort, createWorld, type World } from '../testing/world.ts'

// What undici's own tests ask of a dispatcher, see test/suites.
let world: World
let server: Server | undefined
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
  server?.close()
})

/** A server that answers with bytes, and then does what is given. */
async function serveRaw(answer: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await world.register((server.address() as AddressInfo).port)
}

async function ask(options: Partial<Dispatcher.RequestOptions> = {}): Promise<string> {
  const { dispatcher } = world.client({ retry: false, timeoutMs: 5_000 })
  const { body } = await request('http://orders/', { dispatcher, ...options } as never)
  return body.text()
}

describe('errors are those of undici, with the SdError as their cause', () => {
  const head = 'HTTP/1.1 200 OK\r\n'
  const broken: [string, (socket: Socket) => void, object, string][] = [
    ['a closed connection', (socket) => socket.end(), errors.SocketError, 'SD_UNAVAILABLE'],
    ['a body that is cut', (socket) => socket.end(`${head}content-length: 9\r\n\r\nhello`), errors.SocketError, 'SD_UNAVAILABLE'],
    ['what is not HTTP', (socket) => socket.end('SSH-2.0\r\n'), errors.HTTPParserError, 'SD_MALFORMED'],
    [
      'a long head',
      (socket) => socket.write(`${head}x: ${'a'.repeat(20_000)}\r\n\r\n`),
      errors.HeadersOverflowError,
      'SD_TOO_LARGE',
    ],
  ]
  test.each(broken)('%s', async (_, answer, kind, code) => {
    await serveRaw(answer)
    const error = await ask().catch((thrown: Error) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject({ cause: { code, cause: expect.any(Error) } })
  })

  test('no connection', async () => {
    await world.register(await closedPort())
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', cause: { code: 'SD_UNAVAILABLE' } })
  })

  test('limits of the request', async () => {
    await serveRaw((socket) => socket.write(`${head}content-length: 9\r\n\r\nhello`))
    await expect(ask({ bodyTimeout: 50 })).rejects.toBeInstanceOf(errors.BodyTimeoutError)
  })

  const wrong: [string, object, object][] = [
    ['two lengths', { headers: ['content-length', '1', 'Content-Length', '2'] }, errors.InvalidArgumentError],
    ['two hosts', { headers: ['host', 'a', 'Host', 'b'] }, errors.InvalidArgumentError],
    ['a pair of three', { headers: new Set([['a', 'b', 'c']]) }, errors.InvalidArgumentError],
    ['an object as a value', { headers: { a: {} } }, errors.InvalidArgumentError],
    ['a line break in a value', { headers: { a: 'b\r\nc: d' } }, errors.InvalidArgumentError],
    ['maxRedirections', { maxRedirections: 1 }, errors.InvalidArgumentError],
    ['a method that is not a token', { method: 'GET /' }, errors.InvalidArgumentError],
    [
      'a stream that is too long',
      { method: 'PUT', headers: { 'content-length': '1' }, body: chunks('ab') },
      errors.RequestContentLengthMismatchError,
    ],
  ]
  test.each(wrong)('%s', async (_, options, kind) => {
    await serveRaw((socket) => socket.end(`${head}content-length: 0\r\n\r\n`))
    await expect(ask(options)).rejects.toBeInstanceOf(kind)
  })

  test('the body of the request fails with its own error', async () => {
    await serveRaw(() => undefined)
    const mine = new Error('mine')
    const body = (async function* () {
      yield 'a'
      throw mine
    })()
    await expect(ask({ method: 'PUT', body: body as never })).rejects.toBe(mine)
  })
})

async function* chunks(...texts: readonly string[]): AsyncGenerator<string> {
  yield* texts
}

describe('handlers', () => {
  /** Notes what it is told, and may do something at it. */
  function dispatch(does: Partial<Dispatcher.DispatchHandler> = {}): Promise<unknown[]> {
    const told: unknown[] = []
    const { dispatcher } = world.client({ retry: false })
    return new Promise((resolve) => {
      dispatcher.dispatch(
        { origin: 'http://orders', path: '/', method: 'GET' },
        {
          onRequestStart: () => undefined,
          onResponseStart(controller, status, headers, text) {
            told.push(status)
            does.onResponseStart?.(controller, status, headers, text)
          },
          onResponseData: () => void told.push('data'),
          onResponseEnd(controller, trailers) {
            told.push('end')
            does.onResponseEnd?.(controller, trailers)
            resolve(told)
          },
          onResponseError(controller, error) {
            resolve([...told, error, controller.aborted])
          },
        },
      )
    })
  }
  beforeEach(() => world.serve((_, response) => response.end('hello')).then(() => undefined))

  test('end a response that has come as a whole by abort', async () => {
    const mine = new Error('mine')
    const told = await dispatch({ onResponseStart: (controller) => setTimeout(() => undefined) && controller.abort(mine) })
    expect(told).toEqual([200, mine, true])
  })

  test('have what they throw as the error', async () => {
    const mine = new Error('mine')
    const thrower = (): never => {
      throw mine
    }
    expect(await dispatch({ onResponseStart: thrower })).toEqual([200, mine, true])
    expect(await dispatch({ onResponseEnd: thrower })).toEqual([200, 'data', 'end', mine, false])
  })

  test('without the methods that are needed are refused', () => {
    const { dispatcher } = world.client()
    const options = { origin: 'http://orders', path: '/', method: 'GET' as const }
    expect(() => dispatcher.dispatch(options, {})).toThrow('invalid onResponseError method')
    expect(() => dispatcher.dispatch(options, undefined as never)).toThrow('handler must be an object')
    const seen: Error[] = []
    expect(dispatcher.dispatch(options, { onResponseError: (_, error) => void seen.push(error) })).toBe(false)
    expect(seen[0]).toMatchObject({ message: 'invalid onResponseStart method' })
  })
})

test("undici's retry interceptor works over it, after a reset and a 503", async () => {
  let count = 0
  await world.serve((incoming, response) => {
    count++
    if (count === 1) incoming.socket.resetAndDestroy()
    else if (count === 2) response.writeHead(503).end('busy')
    else response.end('fine')
  })
  const dispatcher = world.client({ retry: false }).dispatcher.compose(interceptors.retry({ minTimeout: 1, maxRetries: 5 }))
  const { statusCode, body } = await request('http://orders/', { dispatcher })
  expect([statusCode, await body.text(), count]).toEqual([200, 'fine', 3])
})

test('fields that shadow what every object has are there', async () => {
  await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n__proto__: a\r\nconstructor: b\r\ncontent-length: 0\r\n\r\n'))
  const { headers } = await request('http://orders/', { dispatcher: world.client().dispatcher })
  expect(Object.getOwnPropertyDescriptor(headers, '__proto__')?.value).toBe('a')
  expect(headers['constructor']).toBe('b')
})

test('bodies: any view of bytes, and the FormData of undici', async () => {
  await world.serve((incoming, response) => void incoming.pipe(response))
  const view = new Uint16Array([0x6161, 0x6262])
  expect(await ask({ method: 'POST', body: view as never })).toBe('aabb')
  const form = new FormData()
  form.set('a', 'b')
  expect(await ask({ method: 'POST', body: form })).toContain('name="a"\r\n\r\nb\r\n')
})

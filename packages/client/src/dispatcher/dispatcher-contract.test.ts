import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type Dispatcher, errors, FormData, interceptors, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { closedPort, createWorld, type World } from '../testing/world.ts'

// Requirements of undici's own tests for a dispatcher, see test/suites.
let world: World
let server: Server | undefined
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
  server?.close()
})

/** A server that responds with exact bytes, and then runs a function. */
async function serveRaw(respond: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => respond(socket))
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
    ['a response that is not HTTP', (socket) => socket.end('SSH-2.0\r\n'), errors.HTTPParserError, 'SD_MALFORMED'],
    [
      'a long head',
      (socket) => socket.write(`${head}x: ${'a'.repeat(20_000)}\r\n\r\n`),
      errors.HeadersOverflowError,
      'SD_TOO_LARGE',
    ],
  ]
  test.each(broken)('%s', async (_, respond, kind, code) => {
    await serveRaw(respond)
    const error = await ask().catch((thrown: Error) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject({ cause: { code, cause: expect.any(Error) } })
  })

  test('no connection', async () => {
    await world.register(await closedPort())
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', cause: { code: 'SD_UNAVAILABLE' } })
  })

  test('the limits of the request', async () => {
    await serveRaw((socket) => socket.write(`${head}content-length: 9\r\n\r\nhello`))
    await expect(ask({ bodyTimeout: 50 })).rejects.toBeInstanceOf(errors.BodyTimeoutError)
  })

  const wrong: [string, object, object][] = [
    ['two lengths', { headers: ['content-length', '1', 'Content-Length', '2'] }, errors.InvalidArgumentError],
    ['two hosts', { headers: ['host', 'a', 'Host', 'b'] }, errors.InvalidArgumentError],
    ['a pair with three items', { headers: new Set([['a', 'b', 'c']]) }, errors.InvalidArgumentError],
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

  test('a failing request body ends the call with its own error', async () => {
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
  /** Records its events, and may act on one. */
  function dispatch(does: Partial<Dispatcher.DispatchHandler> = {}): Promise<unknown[]> {
    const received: unknown[] = []
    const { dispatcher } = world.client({ retry: false })
    return new Promise((resolve) => {
      dispatcher.dispatch(
        { origin: 'http://orders', path: '/', method: 'GET' },
        {
          onRequestStart: () => undefined,
          onResponseStart(controller, status, headers, text) {
            received.push(status)
            does.onResponseStart?.(controller, status, headers, text)
          },
          onResponseData: () => void received.push('data'),
          onResponseEnd(controller, trailers) {
            received.push('end')
            does.onResponseEnd?.(controller, trailers)
            resolve(received)
          },
          onResponseError(controller, error) {
            resolve([...received, error, controller.aborted])
          },
        },
      )
    })
  }
  beforeEach(() => world.serve((_, response) => response.end('hello')).then(() => undefined))

  test('can abort a response that is complete', async () => {
    const mine = new Error('mine')
    const received = await dispatch({ onResponseStart: (controller) => setTimeout(() => undefined) && controller.abort(mine) })
    expect(received).toEqual([200, mine, true])
  })

  test('receive their own exceptions as the error', async () => {
    const mine = new Error('mine')
    const thrower = (): never => {
      throw mine
    }
    expect(await dispatch({ onResponseStart: thrower })).toEqual([200, mine, true])
    expect(await dispatch({ onResponseEnd: thrower })).toEqual([200, 'data', 'end', mine, false])
  })

  test('without the required methods are rejected', () => {
    const { dispatcher } = world.client()
    const options = { origin: 'http://orders', path: '/', method: 'GET' as const }
    expect(() => dispatcher.dispatch(options, {})).toThrow('invalid onResponseError method')
    expect(() => dispatcher.dispatch(options, undefined as never)).toThrow('handler must be an object')
    const seen: Error[] = []
    expect(dispatcher.dispatch(options, { onResponseError: (_, error) => void seen.push(error) })).toBe(false)
    expect(seen[0]).toMatchObject({ message: 'invalid onResponseStart method' })
  })
})

test("undici's retry interceptor works with it, after a reset and a 503", async () => {
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

test('fields with the names of Object.prototype are kept', async () => {
  await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n__proto__: a\r\nconstructor: b\r\ncontent-length: 0\r\n\r\n'))
  const { headers } = await request('http://orders/', { dispatcher: world.client().dispatcher })
  expect(Object.getOwnPropertyDescriptor(headers, '__proto__')?.value).toBe('a')
  expect(headers['constructor']).toBe('b')
})

test('a body can be any view of bytes, or the FormData of undici', async () => {
  await world.serve((incoming, response) => void incoming.pipe(response))
  const view = new Uint16Array([0x6161, 0x6262])
  expect(await ask({ method: 'POST', body: view as never })).toBe('aabb')
  const form = new FormData()
  form.set('a', 'b')
  expect(await ask({ method: 'POST', body: form })).toContain('name="a"\r\n\r\nb\r\n')
})

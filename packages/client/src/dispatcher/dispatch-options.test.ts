import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createWorld, type World } from '../testing/world.ts'

let world: World
let server: Server
let plain: Client
beforeEach(async () => {
  world = createWorld()
  server = await world.serve(async (incoming, response) => {
    let body = ''
    for await (const chunk of incoming) body += chunk
    const { host: _, connection: __, 'x-request-timeout-ms': ___, ...headers } = incoming.headers
    response.end(JSON.stringify({ method: incoming.method, url: incoming.url, headers, body }))
  })
  plain = new Client(originOf(server))
})
afterEach(async () => {
  await plain.close()
  await world.close()
})

function originOf(of: Server): string {
  return `http://127.0.0.1:${(of.address() as AddressInfo).port}`
}

type Given = Partial<Record<keyof Dispatcher.DispatchOptions | 'dispatcher' | 'maxRedirections' | 'throwOnError', unknown>>
interface Ended {
  readonly status?: number
  readonly body?: unknown
  readonly error?: string
}

/** What one request of undici comes to. */
function dispatch(dispatcher: Dispatcher, origin: string, given: Given, changed: object = {}): Promise<Ended> {
  return new Promise((resolve) => {
    let status: number
    let text = ''
    const handler = {
      onRequestStart() {},
      onResponseStart(_: unknown, code: number) {
        status = code
      },
      onResponseData(_: unknown, chunk: Buffer) {
        text += String(chunk)
      },
      onResponseEnd: () => resolve({ status, body: JSON.parse(text) }),
      onResponseError: (_: unknown, error: Error) => resolve(describeError(error)),
      ...changed,
    }
    try {
      dispatcher.dispatch({ origin, path: '/', method: 'GET', ...given } as Dispatcher.DispatchOptions, handler as never)
    } catch (thrown) {
      resolve(describeError(thrown as Error))
    }
  })
}

function describeError({ name, message }: Error): Ended {
  return { error: `${name}: ${message}` }
}

async function dispatchBoth(given: Given, changed?: object): Promise<readonly [ours: Ended, theirs: Ended]> {
  const { dispatcher } = world.client({ retry: false })
  return Promise.all([dispatch(dispatcher, 'http://orders', given, changed), dispatch(plain, originOf(server), given, changed)])
}

describe('undici and the client refuse with the same error', () => {
  test.each<[string, Given]>([
    ['throwOnError', { throwOnError: true }],
    ['maxRedirections', { maxRedirections: 1 }],
    ['a dispatcher of its own', { dispatcher: {} }],
    ['reset', { reset: 'yes' }],
    ['expectContinue', { expectContinue: 1 }],
    ['headersTimeout below 0', { headersTimeout: -1 }],
    ['headersTimeout as text', { headersTimeout: '5' }],
    ['bodyTimeout below 0', { bodyTimeout: -1 }],
    ['bodyTimeout without end', { bodyTimeout: Number.POSITIVE_INFINITY }],
    ['an upgrade that is not text', { upgrade: 5 }],
    ['an upgrade with a line break', { upgrade: 'a\r\nb: c' }],
    ['a name without a value', { headers: ['a'] }],
    ['a header list with a group', { headers: new Set(['ab']) }],
    ['header fields as text', { headers: 'a: b' }],
    ['a value that is an object', { headers: { a: {} } }],
    ['two lengths', { method: 'POST', body: 'a', headers: ['content-length', '1', 'Content-Length', '1'] }],
    ['two hosts', { headers: ['host', 'a', 'HOST', 'b'] }],
  ])('%s', async (_, given) => {
    const [ours, theirs] = await dispatchBoth(given)
    expect(theirs.error).toMatch(/^(InvalidArgument|NotSupported)Error: /)
    expect(ours).toEqual(theirs)
  })

  test.each([['/?a=1'], ['/#a']])('a query after %s', async (path) => {
    const [ours, theirs] = await dispatchBoth({ path, query: { b: 2 } })
    const message = 'Query params cannot be passed when url already contains "?" or "#".'
    expect([ours.error, theirs.error]).toEqual([`InvalidArgumentError: ${message}`, `Error: ${message}`])
  })

  test.each([['onResponseStart'], ['onResponseData'], ['onResponseEnd'], ['onBodySent'], ['onRequestSent']])(
    'a handler whose %s is not a function',
    async (name) => {
      const [ours, theirs] = await dispatchBoth({}, { [name]: 1 })
      expect(theirs.error).toBe(`InvalidArgumentError: invalid ${name} method`)
      expect(ours).toEqual(theirs)
    },
  )
})

describe('undici and the client send the same', () => {
  test.each<[string, Given]>([
    ['for options that say nothing', { maxRedirections: 0, reset: false, expectContinue: null, headersTimeout: null }],
    ['query', { query: { a: 1, list: ['x', 'y'], empty: '' } }],
    ['an empty query', { query: {} }],
    ['values that are not text', { headers: { a: 1, b: true, c: null, d: undefined, e: ['x', 2] } }],
    ['header fields as pairs', { headers: new Map([['x-a', '1']]) }],
    ['header fields with a prototype', { headers: Object.assign(Object.create({ inherited: '1' }), { own: '2' }) }],
    ['text', { method: 'POST', body: 'text' }],
    ['an iterable', { method: 'POST', body: ['a', 'b'], headers: { 'content-type': 'x/y' } }],
    [
      'a type of its own for a Blob',
      { method: 'POST', body: new Blob(['a'], { type: 'x/z' }), headers: { 'Content-Type': 'x/y' } },
    ],
    ['the type of a Blob', { method: 'POST', body: new Blob(['a'], { type: 'x/z' }) }],
    ['no body', { method: 'POST', body: null }],
  ])('%s', async (_, given) => {
    const [ours, theirs] = await dispatchBoth(given)
    expect(theirs.status).toBe(200)
    expect(ours).toEqual(theirs)
  })
})

test('header fields may be bytes, as the rawHeaders of a response are', async () => {
  const headers = [Buffer.from('X-A'), Buffer.from('\u00e4', 'latin1')]
  const { body } = await dispatch(world.client().dispatcher, 'http://orders', { headers })
  expect(body).toMatchObject({ headers: { 'x-a': '\u00e4' } })
})

test.each([['not a URL'], [''], [undefined]])('an origin that is not a URL is refused: %j', async (origin) => {
  expect((await dispatch(world.client().dispatcher, origin as never, {})).error).toBe(
    'InvalidArgumentError: opts.origin must be a non-empty string or URL.',
  )
})

test('options that are not an object are refused', async () => {
  const { dispatcher } = world.client()
  const error = await new Promise<Error>((resolve, reject) => {
    try {
      dispatcher.dispatch(null as never, { onResponseError: (_, thrown) => resolve(thrown) })
    } catch (thrown) {
      reject(thrown)
    }
  }).catch((thrown: Error) => thrown)
  expect(error.message).toBe('opts must be an object.')
})

import type { IncomingMessage, RequestListener } from 'node:http'
import { createRetryPolicy } from '@sd/retry'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ServiceClient, serviceOrigin } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

async function read(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

const retrying = (): ServiceClient =>
  world.client({
    retry: ({ budget }) => createRetryPolicy({ budget, methods: 'all', backoff: { kind: 'fixed', delayMs: 0, jitter: 0 } }),
  })

describe('a body', () => {
  const form = new FormData()
  form.set('a "quoted"\nname', 'line\nbreak')
  form.set('file', new File(['bytes'], 'x"y.txt', { type: 'text/x' }))
  const bytes = new TextEncoder().encode('bytes')
  const bodies: Record<string, [NonNullable<RequestInit['body']>, type: string | undefined]> = {
    'a string': ['bytes', 'text/plain;charset=UTF-8'],
    bytes: [bytes, undefined],
    'a view of some bytes': [bytes.subarray(1, 3), undefined],
    'an ArrayBuffer': [bytes.buffer, undefined],
    'a Blob': [new Blob(['bytes'], { type: 'text/x' }), 'text/x'],
    'a Blob without type': [new Blob(['bytes']), undefined],
    URLSearchParams: [new URLSearchParams({ a: 'b c' }), 'application/x-www-form-urlencoded;charset=UTF-8'],
    'a form': [form, 'multipart/form-data'],
    nothing: ['', 'text/plain;charset=UTF-8'],
  }
  const table = Object.entries(bodies).flatMap(([kind, [body, type]]) => [
    [kind, () => [serviceOrigin('orders'), { method: 'POST', body }], body, type] as const,
    [`a Request with ${kind}`, () => [new Request('http://orders/', { method: 'POST', body })], body, type] as const,
  ])
  test.each(table)('%s has its length and type, and is sent again', async (_, toArguments, body, type) => {
    const seen: { body: string; length: string | undefined; type: string | undefined; coding: string | undefined }[] = []
    const listener =
      (status: number): RequestListener =>
      async (incoming, response) => {
        const { 'content-length': length, 'content-type': contentType, 'transfer-encoding': coding } = incoming.headers
        seen.push({ body: await read(incoming), length, type: contentType, coding })
        response.writeHead(status).end()
      }
    await world.serve(listener(503), { id: 'a' })
    await world.serve(listener(200), { id: 'b' })
    const { status } = await retrying().fetch(...(toArguments() as [string, RequestInit]))
    expect([status, seen.length]).toEqual([200, 2])
    expect(seen[1]).toEqual(seen[0])
    const sent = seen[0] as (typeof seen)[0]
    expect([sent.length, sent.coding]).toEqual([String(sent.body.length), undefined])
    if (type === undefined) expect(sent.type).toBeUndefined()
    else expect(sent.type?.startsWith(type)).toBe(true)
    const wanted = await new Response(sent.body.length === 0 ? '' : body, { headers: body instanceof FormData ? {} : {} }).text()
    if (body instanceof FormData) {
      const boundary = sent.type?.split('boundary=')[1] as string
      expect(sent.body).toBe(wanted.replaceAll(/------[-\w]*?(?=\r\n|--\r\n)/g, `--${boundary}`))
      expect(sent.body).toContain('name="a %22quoted%22%0D%0Aname"\r\n\r\nline\r\nbreak\r\n')
    } else expect(sent.body).toBe(wanted)
  })

  test('that is a stream is sent as it arrives, once', async () => {
    await world.serve(
      async (incoming, response) => void response.end(`${incoming.headers['transfer-encoding']} ${await read(incoming)}`),
    )
    const { fetch } = world.client()
    const stream = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 20))
          controller.enqueue(Buffer.from('late'))
          controller.close()
        },
      })
    const init = { method: 'POST', duplex: 'half' as const }
    expect(await (await fetch('http://orders/', { ...init, body: stream() })).text()).toBe('chunked late')
    expect(await (await fetch(new Request('http://orders/', { ...init, body: stream() }))).text()).toBe('chunked late')
    await expect(fetch('http://orders/', { body: 'x' })).rejects.toThrow(TypeError)
  })
})

describe('an error', () => {
  test('has the same name as in fetch, and the SdError as its cause', async () => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/reset') incoming.socket.destroy()
      if (incoming.url === '/half') response.writeHead(200).write('half')
    })
    const hasty = world.client({ timeoutMs: 150, retry: false })
    await expect(hasty.fetch('http://orders/')).rejects.toMatchObject({
      name: 'TimeoutError',
      cause: { code: 'SD_DEADLINE_EXCEEDED' },
    })
    const client = world.client({ timeoutMs: 1_500, retry: false })
    const { fetch } = client
    await expect(fetch('http://nobody/')).rejects.toMatchObject({ name: 'TypeError', cause: { code: 'SD_NO_INSTANCE' } })
    await expect(fetch('http://orders/reset', { method: 'POST' })).rejects.toMatchObject({
      name: 'TypeError',
      cause: { code: 'SD_UNAVAILABLE' },
    })
    const caller = new AbortController()
    const aborted = fetch('http://orders/', { signal: caller.signal })
    setTimeout(() => caller.abort(), 20)
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError', cause: { code: 'SD_ABORTED' } })
    const reason = new Error('mine')
    await expect(fetch('http://orders/', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const half = await fetch('http://orders/half')
    await expect(half.text()).rejects.toMatchObject({ name: 'TimeoutError' })
    await client.close()
    await expect(fetch('http://orders/')).rejects.toMatchObject({ name: 'TypeError', cause: { code: 'SD_CLOSED' } })
  })

  test('about a URL with credentials does not show them', async () => {
    const failed = world.client().fetch('http://user:secret@orders/')
    await expect(failed).rejects.toThrow(TypeError)
    await expect(failed).rejects.not.toThrow(/secret/)
  })
})

describe('redirects', () => {
  beforeEach(async () => {
    const listener: RequestListener = async (incoming, response) => {
      const [, status, target] = /^\/(\d+)\/(.*)$/.exec(incoming.url as string) ?? []
      const location = target === 'self' ? `http://${incoming.headers.host}/end` : target
      if (status) response.writeHead(Number(status), { location }).end()
      else response.end(`${incoming.method} ${incoming.url} ${await read(incoming)} ${incoming.headers.authorization}`)
    }
    await world.serve(listener)
    await world.serve(listener, { service: 'users' })
  })
  const post = { method: 'POST', body: 'x', headers: { authorization: 'me' } }
  const table: [string, string, RequestInit, string][] = [
    ['to a relative URL', '/302//end', {}, 'GET /end  undefined'],
    ['to the URL of the instance', '/302/self', { headers: { authorization: 'me' } }, 'GET /end  me'],
    [
      'to another service, without credentials',
      '/302/http://users/end',
      { headers: { authorization: 'me' } },
      'GET /end  undefined',
    ],
    ['301 after POST becomes GET', '/301//end', post, 'GET /end  me'],
    ['303 after PUT becomes GET', '/303//end', { ...post, method: 'PUT' }, 'GET /end  me'],
    ['307 keeps method and body', '/307//end', post, 'POST /end x me'],
  ]
  test.each(table)('%s', async (_, path, init, text) => {
    const response = await world.client().fetch(`http://orders${path}`, init)
    expect([response.redirected, await response.text()]).toEqual([true, text])
    expect(new URL(response.url).pathname).toBe('/end')
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('are an error or the result, as the request demands; endless redirects and unusual targets are errors', async () => {
    const { fetch } = world.client()
    await expect(fetch('http://orders/302//end', { redirect: 'error' })).rejects.toThrow(TypeError)
    const manual = await fetch('http://orders/302//end', { redirect: 'manual' })
    expect([manual.status, manual.headers.get('location'), manual.redirected]).toEqual([302, '/end', false])
    await expect(fetch('http://orders/302/data:x')).rejects.toThrow(TypeError)
    await expect(fetch('http://orders/302//302//302/http://nobody/')).rejects.toThrow(TypeError)
    const stream = { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' as const }
    await expect(fetch('http://orders/307//end', stream)).rejects.toThrow(TypeError)
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })
})

test('any service name has an origin', async () => {
  const names = [
    'orders',
    'Orders',
    'a_b',
    '10',
    '1.2',
    'group@@orders',
    'billing:v2',
    'über',
    'a b',
    'sd-name.x',
    'x'.repeat(200),
  ]
  for (const name of names) {
    const server = await world.serve((_, response) => response.setHeader('x-reason', 'ok').writeHead(200, 'Fine').end(), {
      service: name,
    })
    const response = await world.client().fetch(`${serviceOrigin(name)}/`)
    expect([name, response.status, response.statusText]).toEqual([name, 200, 'Fine'])
    server.closeAllConnections()
  }
  expect([serviceOrigin('orders'), serviceOrigin('orders', 'ws')]).toEqual(['http://orders', 'ws://orders'])
})

describe('requirements of web-platform-tests for fetch', () => {
  const respond: RequestListener = (_, response) => void response.end('hello')

  test('a signal that is already aborted rejects first of all, with its reason', async () => {
    await world.serve(respond)
    const reason = new Error('mine')
    const order: unknown[] = []
    const failed = world
      .client()
      .fetch('http://orders/', { signal: AbortSignal.abort(reason) })
      .catch((error: unknown) => order.push(error))
    await Promise.resolve().then(() => order.push('next'))
    await failed
    expect(order).toEqual([reason, 'next'])
    expect(world.active()).toBe(0)
  })

  test('a signal ends a complete body that was not read, and its clone', async () => {
    await world.serve(respond)
    const controller = new AbortController()
    const response = await world.client().fetch('http://orders/', { signal: controller.signal })
    const clone = response.clone()
    expect([clone.url, clone.type, clone.redirected]).toEqual(['http://orders/', 'basic', false])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
    controller.abort()
    await expect(response.text()).rejects.toBe(controller.signal.reason)
    await expect(clone.text()).rejects.toBe(controller.signal.reason)
  })

  test('signal: null removes that of the Request', async () => {
    await world.serve(respond)
    const request = new Request('http://orders/', { signal: AbortSignal.abort() })
    expect(await (await world.client().fetch(request, { signal: null })).text()).toBe('hello')
    await expect(world.client().fetch(request)).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('a Location in UTF-8 is followed', async () => {
    await world.serve(({ url }, response) => {
      if (url === '/') response.writeHead(302, { location: Buffer.from('/☃').toString('latin1') })
      response.end(url)
    })
    expect(await (await world.client().fetch('http://orders/')).text()).toBe('/%E2%98%83')
  })
})

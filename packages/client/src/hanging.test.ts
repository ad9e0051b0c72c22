import { EventEmitter, getEventListeners } from 'node:events'
import type { CallContext, Interceptor, Permit } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientSettings, RequestOptions, ServiceClient, ServiceClientOptions } from './index.ts'
import { createWorld, type World } from './testing/world.ts'

const never = new Promise<never>(() => undefined)
const hang = (): Promise<never> => never

let world: World
let silent: Discovery
let permits: number
beforeEach(async () => {
  world = createWorld()
  permits = 0
  silent = createDiscovery({
    source: {
      getInstances: hang,
      listServices: hang,
      watch: () => ({ [Symbol.asyncIterator]: () => ({ next: hang, return: async () => ({ done: true, value: undefined }) }) }),
    } as never,
    readyTimeoutMs: 60_000,
  })
})
afterEach(async () => {
  await world.close()
  // Not awaited: the source of this discovery ignores its signal.
  void silent.close()
})

/** A breaker of the service that counts its permits. */
const breaker: ClientSettings['breaker'] = () =>
  ({
    name: 'counting',
    state: 'closed',
    onStateChange: () => () => undefined,
    tryAcquire(): Permit {
      permits++
      return { settle: once(() => permits--) }
    },
  }) as never

function once(run: () => void): () => void {
  let done = false
  return () => {
    if (!done) run()
    done = true
  }
}

interface Slot {
  readonly options?: Partial<ServiceClientOptions> | (() => Partial<ServiceClientOptions>)
  readonly request?: RequestOptions
  /** Result at the deadline, if it is not the usual error. */
  readonly foreseen?: string
}

const hangAfter: Interceptor<unknown> = async (_, next) => {
  await next()
  return never
}
const limit = (acquire: () => Promise<never>) => ({ name: 'x', load: { max: 1, active: 0, waiting: 0 }, close() {}, acquire })

/** Parts that may never settle. Unless the server itself hangs, it responds to `/ok` at once. */
const slots: Record<string, Slot> = {
  'the server': {},
  'the body of the request': { request: { body: { [Symbol.asyncIterator]: () => ({ next: hang }) } as never } },
  'a fallback': { options: { fallback: { kind: 'function', run: hang } } },
  'a fallback for a status of 500': {
    options: { fallback: { kind: 'function', run: hang } },
    request: { headers: { 'x-status': '503' } },
  },
  'a call interceptor': { options: { interceptors: { call: [hang] } } },
  'a call interceptor after the response': {
    options: { interceptors: { call: [hangAfter] } },
    request: { headers: { 'x-status': '200' } },
  },
  'an attempt interceptor': { options: { interceptors: { attempt: [hang] } } },
  'an attempt interceptor after the response': {
    options: { interceptors: { attempt: [hangAfter] } },
    request: { headers: { 'x-status': '200' } },
  },
  'a rate limiter': { options: { rateLimit: { limiter: { name: 'x', acquire: hang, close: async () => undefined } as never } } },
  'a rate limiter in which calls wait': {
    options: { rateLimit: { limiter: { name: 'x', acquire: hang, close: async () => undefined } as never, wait: true } },
  },
  'a rate limiter per instance': {
    options: { rateLimit: { limiter: { name: 'x', acquire: hang, close: async () => undefined } as never, scope: 'instance' } },
  },
  'a concurrency limit': { options: { concurrencyLimit: () => ({ ...limit(hang), tryAcquire: () => undefined }) } },
  discovery: { options: () => ({ discovery: silent }) },
  'a hedge policy': { options: { hedge: () => ({ name: 'x', covers: () => true, execute: hang }) } },
  'the delay of a retry': {
    foreseen: 'SD_UNAVAILABLE',
    options: { retry: { name: 'x', next: () => 100 }, interceptors: { attempt: [async () => Promise.reject(new Error('no'))] } },
  },
}

const kinds = {
  'at its deadline': { code: 'SD_DEADLINE_EXCEEDED', timeoutMs: 150 },
  'at an abort': { code: 'SD_ABORTED', timeoutMs: 0 },
  'when the client closes': { code: 'SD_CLOSED', timeoutMs: 0 },
} as const

describe.each(Object.entries(slots))('a call that waits for %s ends', (_, { options = {}, request = {}, foreseen }) => {
  test.each(Object.entries(kinds))('ends %s', async (kind, { code, timeoutMs }) => {
    await world.serve((incoming, response) => {
      const status = incoming.headers['x-status']
      if (typeof status === 'string') response.writeHead(Number(status)).end()
    })
    const given = typeof options === 'function' ? options() : options
    const client = world.client({ breaker, closeTimeoutMs: 150, ...given })
    const caller = new AbortController()
    const seen = (client as ServiceClient).put('orders', '/', { ...request, timeoutMs, signal: caller.signal }).then(
      ({ status }) => status,
      (error: { code: string }) => error.code,
    )
    const startedAt = performance.now()
    if (kind === 'at an abort') setTimeout(() => caller.abort(), 150)
    const closed = kind === 'when the client closes' ? client.close() : undefined
    expect(await seen).toBe(timeoutMs > 0 ? (foreseen ?? code) : code)
    // Without the fix the call would never end, so any bound is enough. This one also holds on a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect({ permits, active: world.active(), listeners: getEventListeners(caller.signal, 'abort') }).toEqual({
      permits: 0,
      active: 0,
      listeners: [],
    })
    await (closed ?? client.close())
  })
})

describe('after the end of a call', () => {
  test('a permit that a limit grants too late is released', async () => {
    await world.serve((_, response) => response.end())
    let settled = 0
    const late = Promise.withResolvers<Permit>()
    const client = world.client({
      concurrencyLimit: () => ({ ...limit(hang), tryAcquire: () => undefined, acquire: () => late.promise }),
    })
    await expect(client.get('orders', '/', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    late.resolve({ settle: () => settled++ })
    await eventually(() => expect(settled).toBe(1), 1_000)
  })

  test('next() of an interceptor has no effect', async () => {
    let requests = 0
    await world.serve((_, response) => {
      requests++
      response.end()
    })
    const nexts: (() => Promise<unknown>)[] = []
    const keep: Interceptor<unknown> = (_, next) => {
      nexts.push(next)
      return next()
    }
    const client = world.client({ interceptors: { call: [keep], attempt: [keep] } })
    await (await client.get('orders', '/')).bytes()
    for (const next of nexts) await expect(next()).rejects.toMatchObject({ code: 'SD_ABORTED' })
    expect([requests, world.active()]).toEqual([1, 0])
  })

  test('a fallback that responds after the deadline is not awaited', async () => {
    await world.serve(() => undefined)
    const quick: ClientSettings['fallback'] = { kind: 'function', run: async () => ({ status: 299 }) }
    const client = world.client({ fallback: quick })
    expect((await client.get('orders', '/', { timeoutMs: 30 })).status).toBe(299)
  })
})

describe('the signal of a caller', () => {
  const ends: Record<string, (client: ServiceClient, signal: AbortSignal) => Promise<unknown>> = {
    'a response that was read': async (client, signal) => (await client.get('orders', '/', { signal })).text(),
    'a response that was cancelled': async (client, signal) => (await client.get('orders', '/large', { signal })).cancel(),
    'a refused connection': (client, signal) => client.get('orders', '/reset', { signal }).catch(() => undefined),
    'invalid input': (client, signal) => client.get('orders', 'no slash', { signal }).catch(() => undefined),
    'an unknown service': (client, signal) => client.get('nobody', '/', { signal }).catch(() => undefined),
    fetch: async (client, signal) => (await client.fetch('http://orders/', { signal })).text(),
    'a failed fetch': (client, signal) => client.fetch('http://nobody/', { signal }).catch(() => undefined),
    'events that were left': async (client, signal) => {
      for await (const _ of client.events('orders', '/events', { signal })) break
    },
  }
  test.each(Object.entries(ends))('has no listener of the client after %s', async (_, run) => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/reset') incoming.socket.destroy()
      else if (incoming.url === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: a\n\n')
      else response.end(incoming.url === '/large' ? Buffer.alloc(1_000_000) : 'ok')
    })
    const caller = new AbortController()
    await run(world.client(), caller.signal)
    expect(getEventListeners(caller.signal, 'abort')).toEqual([])
    expect(EventEmitter.defaultMaxListeners).toBeGreaterThan(0)
  })
})

test('a deadline beyond the longest timer does not end the call', async () => {
  await world.serve((_, response) => response.end('ok'))
  const interceptor: Interceptor<CallContext> = async (_, next) => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    return next()
  }
  const client = world.client({ interceptors: { call: [interceptor] } })
  const deadlineAt = performance.now() + 40 * 86_400_000
  expect((await client.get('orders', '/', { timeoutMs: 0, deadlineAt })).status).toBe(200)
})

test('closing does not wait forever for the transport, and later calls fail with SD_CLOSED', async () => {
  const transport = {
    name: 'x',
    send: () => ({ rawHeaders: [], rawTrailers: [], write: () => true, end() {}, abort() {}, resume() {} }),
    close: hang,
  }
  const client = world.client({ transport, closeTimeoutMs: 50 })
  const call = client.get('orders', '/')
  call.catch(() => undefined)
  await client.close()
  await expect(call).rejects.toMatchObject({ code: expect.stringMatching(/SD_(CLOSED|NO_INSTANCE)/) })
  const closed = expect.objectContaining({ code: 'SD_CLOSED' })
  expect(() => client.configure({})).toThrow(closed)
  expect(() => client.configureService('orders', {})).toThrow(closed)
  expect(() => client.breaker('orders')).toThrow(closed)
  expect(() => client.explain('orders')).toThrow(closed)
  await expect(client.get('orders', '/')).rejects.toEqual(closed)
  await expect(client.events('orders', '/')[Symbol.asyncIterator]().next()).rejects.toEqual(closed)
})

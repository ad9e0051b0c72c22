import { createBulkhead } from '@sd/concurrency-limit'
import { type CallContext, type CallResponse, type Interceptor, type Permit, subscribeTelemetry } from '@sd/core'
import { eventually } from '@sd/testing'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientSettings, Transport } from './index.ts'
import { createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

/** The interceptor of the guide: after a 401 it calls again with a new token. */
const refresh: Interceptor<{ readonly headers: Record<string, string> }> = async (context, next) => {
  const first = await next()
  if (first.status !== 401) return first
  context.headers['authorization'] = 'new'
  return next()
}

describe.each(['call', 'attempt'] as const)('an interceptor of a %s that calls next() again', (kind) => {
  test('after a 401 returns the second response, and no permit stays taken', async () => {
    await world.serve((incoming, response) => {
      if (incoming.headers.authorization === 'new') response.end('welcome')
      // A body that does not end: it is dropped when the request is repeated.
      else response.writeHead(401).write('unauthorized')
    })
    const ends: unknown[] = []
    const stops = [
      subscribeTelemetry('sd:v1:attempt:end', ({ status }: { status?: number | undefined }) => ends.push(status)),
      subscribeTelemetry('sd:v1:call:end', ({ status }: { status?: number | undefined }) => ends.push(`call ${status}`)),
    ]
    const bulkhead = createBulkhead({ name: 'orders', maxConcurrent: 1 })
    const client = world.client({ interceptors: { [kind]: [refresh] }, concurrencyLimit: () => bulkhead })
    for (let call = 0; call < 3; call++) {
      const response = await client.get('orders', '/')
      expect(await response.text()).toBe('welcome')
      expect([world.active(), bulkhead.load.active]).toEqual([0, 0])
    }
    for (const stop of stops) stop()
    expect(ends).toEqual(Array(3).fill([401, 200, 'call 200']).flat())
  })

  test('concurrently, like a hedge, keeps the response that it returns, and the other one ends', async () => {
    let requests = 0
    await world.serve((_, response) => {
      requests++
      if (requests === 2) response.end('second')
    })
    const race: Interceptor<unknown> = (_, next) => Promise.race([next(), next()])
    const client = world.client({ interceptors: { [kind]: [race] } })
    expect(await (await client.get('orders', '/')).text()).toBe('second')
    expect([requests, world.active()]).toEqual([2, 0])
  })

  test('can still return a response that was read or is complete', async () => {
    let requests = 0
    await world.serve((_, response) => response.end(`number ${++requests}`))
    const first: Interceptor<unknown> = async (_, next) => {
      const response = await next()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await next()
      return response
    }
    const client = world.client({ interceptors: { [kind]: [first] } })
    expect(await (await client.get('orders', '/')).text()).toBe('number 1')
    expect([requests, world.active()]).toEqual([2, 0])
  })

  test('does not send a body twice that can be read only once', async () => {
    await world.serve((incoming, response) => incoming.resume().on('end', () => response.writeHead(401).end()))
    const client = world.client({ interceptors: { [kind]: [refresh] } })
    await expect(client.post('orders', '/', { body: new Blob(['x']).stream() })).rejects.toMatchObject({
      code: 'SD_INVALID',
      field: 'body',
    })
    expect(world.active()).toBe(0)
  })
})

test('an instance breaker grants a permit for every request that an interceptor sends, and may reject the second one', async () => {
  await world.serve((_, response) => response.writeHead(401).end())
  const settled: unknown[] = []
  const guard: ClientSettings['instanceBreaker'] = () =>
    ({
      name: 'instance',
      state: 'closed',
      onStateChange: () => () => undefined,
      tryAcquire: () => (settled.length < 3 ? { settle: ({ status }: { status?: number }) => settled.push(status) } : undefined),
    }) as never
  const client = world.client({ interceptors: { attempt: [refresh] }, instanceBreaker: guard })
  await (await client.get('orders', '/')).bytes()
  expect(settled).toEqual([401, 401])
  await expect(client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_REJECTED' })
  expect([settled, world.active()]).toEqual([[401, 401, 401], 0])
})

describe('an interceptor of a call', () => {
  const bodies: Record<string, (body: unknown) => unknown> = {
    json: (body) => ({ json: body }),
    body: (body) => ({ body }),
  }
  test.each(Object.entries(bodies))('sees the body given as %s, and may replace it before it is sent', async (_, toOptions) => {
    await world.serve(async (incoming, response) => {
      let body = ''
      for await (const chunk of incoming) body += chunk
      response.end(`${incoming.headers['content-type']} ${incoming.headers['x-length']} ${body}`)
    })
    const sign: Interceptor<CallContext> = (call, next) => {
      call.headers['x-length'] = String((call.body as string).length)
      call.body = new TextEncoder().encode(`[${call.body}]`)
      return next()
    }
    const client = world.client({ interceptors: { call: [sign] } })
    const text = toOptions('"a"') as { body: string }
    const type = 'json' in text ? 'application/json 7 ["\\"a\\""]' : 'text/plain;charset=UTF-8 3 ["a"]'
    expect(await (await client.post('orders', '/', text)).text()).toBe(type)
  })

  test('that replaces it with an invalid body fails the call', async () => {
    await world.serve((_, response) => response.end())
    const replace: Interceptor<CallContext> = (call, next) => {
      call.body = 7 as never
      return next()
    }
    const client = world.client({ interceptors: { call: [replace] } })
    await expect(client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'body' })
  })
})

describe('any interleaving of next(), failures and aborts', () => {
  type Step = 'next' | 'await' | 'settle' | 'read' | 'wait' | 'throw'
  const ends = ['first', 'last', 'own', 'wrapped', 'throw'] as const
  type Script = { steps: readonly Step[]; end: (typeof ends)[number] }
  type Reply = 'whole' | 'endless' | '401' | '503' | 'reset' | 'never'

  const script = fc.record({
    steps: fc.array(fc.constantFrom<Step>('next', 'await', 'settle', 'read', 'wait', 'throw'), { maxLength: 6 }),
    end: fc.constantFrom(...ends),
  })
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  function toInterceptor({ steps, end }: Script): Interceptor<unknown> {
    return async (_, next) => {
      const begun: Promise<CallResponse>[] = []
      const came: CallResponse[] = []
      const begin = (): void => {
        const response = next()
        response.then((value) => came.push(value)).catch(() => undefined)
        begun.push(response)
      }
      for (const step of steps) {
        if (step === 'next') begin()
        else if (step === 'await') await begun.at(-1)
        else if (step === 'settle') await Promise.race([Promise.allSettled(begun), turn()])
        else if (step === 'wait') await turn()
        else if (step === 'read') await Promise.race([came[0]?.body[Symbol.asyncIterator]().next(), turn()])
        else throw new Error('an interceptor failed')
      }
      if (begun.length === 0) begin()
      const response = end === 'first' ? await begun[0] : await begun.at(-1)
      if (!response || end === 'throw') throw new Error('an interceptor failed')
      if (end === 'own') return { ...response, status: 299, body: new Blob(['own']).stream() as never }
      return end === 'wrapped' ? { ...response } : response
    }
  }

  /** Replies as configured, each reply one turn of the event loop later. */
  function createTransport(replies: readonly Reply[]): Transport & { open: number } {
    let sends = 0
    const transport: Transport & { open: number } = {
      name: 'scripted',
      open: 0,
      send(_, __, handler) {
        const reply = replies[sends++ % replies.length] as Reply
        let isOver = false
        transport.open++
        const end = (tell: () => void): void => {
          if (isOver) return
          isOver = true
          transport.open--
          tell()
        }
        setImmediate(() => {
          if (isOver || reply === 'never') return
          handler.onSend()
          if (reply === 'reset') return end(() => handler.onError(new Error('reset') as never))
          handler.onResponse(reply === '401' ? 401 : reply === '503' ? 503 : 200, {}, '')
          handler.onData(new Uint8Array(reply === 'endless' ? 70_000 : 3))
          if (reply !== 'endless') end(() => handler.onEnd({}))
        })
        return {
          rawHeaders: [],
          rawTrailers: [],
          write: () => true,
          end() {},
          abort: (reason) => end(() => handler.onError(reason)),
          resume() {},
        }
      },
      close: async () => undefined,
    }
    return transport
  }

  test('leaves no call active and no permit taken', async () => {
    await world.register(1, { id: 'a' })
    await world.register(2, { id: 'b' })
    let permits = 0
    const guard: ClientSettings['breaker'] = () =>
      ({
        name: 'counting',
        state: 'closed',
        onStateChange: () => () => undefined,
        tryAcquire(): Permit {
          permits++
          let isSettled = false
          return {
            settle() {
              if (!isSettled) permits--
              isSettled = true
            },
          }
        },
      }) as never
    const parameters = {
      call: fc.array(script, { maxLength: 2 }),
      attempt: fc.array(script, { maxLength: 2 }),
      replies: fc.array(fc.constantFrom<Reply>('whole', 'endless', '401', '503', 'reset', 'never'), {
        minLength: 1,
        maxLength: 4,
      }),
      abortAfter: fc.integer({ min: 0, max: 12 }),
      read: fc.boolean(),
    }
    await fc.assert(
      fc.asyncProperty(fc.record(parameters), async ({ call, attempt, replies, abortAfter, read }) => {
        const transport = createTransport(replies)
        const client = world.client({
          transport,
          breaker: guard,
          instanceBreaker: guard as never,
          interceptors: { call: call.map(toInterceptor), attempt: attempt.map(toInterceptor) },
          closeTimeoutMs: 0,
        })
        const caller = new AbortController()
        const given = client.get('orders', '/', { signal: caller.signal }).then(
          async (response) => {
            if (read) await response.bytes().catch(() => undefined)
            else response.cancel()
          },
          () => undefined,
        )
        for (let turns = 0; turns < abortAfter; turns++) await turn()
        caller.abort()
        await given
        expect({ permits, active: world.active(), open: transport.open }).toEqual({ permits: 0, active: 0, open: 0 })
        await client.close()
      }),
      { numRuns: 300 },
    )
    await eventually(() => expect(permits).toBe(0), 1_000)
  })
})

import type { ServerResponse } from 'node:http'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RequestOptions, ServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
const held: { readonly response: ServerResponse; readonly user: string }[] = []
let served = 0
beforeEach(async () => {
  world = createWorld()
  held.length = 0
  served = 0
})
afterEach(() => world.close())

async function serve(fields: Record<string, string> = {}, body: string = 'x'): Promise<void> {
  await world.serve((request, response) => {
    served++
    const user = String(request.headers['authorization'] ?? 'all')
    response.setHeaders(new Map(Object.entries(fields)))
    held.push({ response, user })
  })
  bodyText = body
}
let bodyText = 'x'
function release(): void {
  for (const { response, user } of held.splice(0)) response.end(`${bodyText} for ${user}`)
}
function textOf(client: ServiceClient, options: RequestOptions = {}, path: string = '/a'): Promise<string> {
  return client.get('orders', path, options).then(
    (response) => response.text(),
    (error: { code: string }) => error.code,
  )
}
/** Makes concurrent calls and reads their responses. */
async function callAll(calls: readonly Promise<string>[], requests: number): Promise<readonly string[]> {
  await vi.waitFor(() => expect(served).toBe(requests))
  const ended = Promise.all(calls)
  const timer = setInterval(release, 5)
  return ended.finally(() => clearInterval(timer))
}

describe('identical concurrent GETs', () => {
  test('share one call, and each has its own body', async () => {
    await serve()
    const client = world.client({ collapse: true })
    const trace = (id: number): RequestOptions => ({ headers: { traceparent: `00-${id}` } })
    const texts = await callAll(
      [1, 2, 3].map((id) => textOf(client, trace(id))),
      1,
    )
    expect(texts).toEqual(Array(3).fill('x for all'))
    expect(served).toBe(1)
    expect(await callAll([textOf(client)], 2)).toEqual(['x for all'])
    expect(world.active()).toBe(0)
  })

  test('are separate calls in telemetry', async () => {
    await serve()
    const client = world.client({ collapse: true })
    const events: unknown[] = []
    const note =
      (kind: string) =>
      ({ call, status, error, attempts }: Partial<TelemetryEvents['sd:v1:call:end']>): void =>
        void events.push([kind, call?.path, status, error?.code, attempts])
    const stops = [
      subscribeTelemetry('sd:v1:call:start', note('start')),
      subscribeTelemetry('sd:v1:call:collapse', note('collapse')),
      subscribeTelemetry('sd:v1:call:end', note('end')),
    ]
    const leaving = new AbortController()
    const calls = [textOf(client), textOf(client), textOf(client, { signal: leaving.signal })]
    await vi.waitFor(() => expect(served).toBe(1))
    leaving.abort()
    expect(await calls[2]).toBe('SD_ABORTED')
    release()
    expect(await Promise.all(calls)).toEqual(['x for all', 'x for all', 'SD_ABORTED'])
    for (const stop of stops) stop()
    expect(events).toEqual([
      ['start', '/a', undefined, undefined, undefined],
      ['start', '/a', undefined, undefined, undefined],
      ['collapse', '/a', undefined, undefined, undefined],
      ['end', '/a', undefined, 'SD_ABORTED', 0],
      ['end', '/a', 200, undefined, 1],
      ['start', '/a', undefined, undefined, undefined],
      ['collapse', '/a', undefined, undefined, undefined],
      ['end', '/a', 200, undefined, 0],
    ])
  })

  test.each<[string, RequestOptions, string?]>([
    ['another user', { headers: { authorization: 'bob' } }],
    ['another language', { headers: { 'accept-language': 'de' } }],
    ['another path', {}, '/b'],
    ['another query', { query: { a: 1 } }],
    ['another hash key', { hashKey: 'k' }],
  ])('%s makes another call', async (_, options, path) => {
    await serve()
    const client = world.client({ collapse: true })
    await callAll([textOf(client, { headers: { authorization: 'ann' } }), textOf(client, options, path)], 2)
    expect(served).toBe(2)
  })

  test.each<[string, Record<string, string>]>([
    ['sets a cookie', { 'set-cookie': 'session=1' }],
    ['is private', { 'cache-control': 'private' }],
  ])('a response that %s is not shared', async (_, fields) => {
    await serve(fields)
    const client = world.client({ collapse: true })
    await callAll([textOf(client), textOf(client)], 1)
    expect(served).toBe(2)
  })

  test('one user shares a private response; a user field added by an interceptor is respected', async () => {
    await serve({ 'cache-control': 'private' })
    const client = world.client({ collapse: true })
    const ann = { headers: { authorization: 'ann' } }
    expect(await callAll([textOf(client, ann), textOf(client, ann)], 1)).toEqual(['x for ann', 'x for ann'])
    let user = 0
    const hidden = world.client({
      collapse: true,
      interceptors: {
        attempt: [
          (attempt, next) => {
            attempt.headers['authorization'] = `user-${++user}`
            return next()
          },
        ],
      },
    })
    expect(await callAll([textOf(hidden), textOf(hidden)], 2)).toEqual(['x for user-1', 'x for user-2'])
  })

  test('the abort of one does not end the others, the abort of all ends the call', async () => {
    await serve()
    const client = world.client({ collapse: true })
    const [first, second] = [new AbortController(), new AbortController()]
    const calls = [textOf(client, { signal: first.signal }), textOf(client, { signal: second.signal }), textOf(client)]
    await vi.waitFor(() => expect(served).toBe(1))
    first.abort()
    expect(await calls[0]).toBe('SD_ABORTED')
    expect(await callAll(calls.slice(1), 1)).toEqual(['x for all', 'x for all'])
    const alone = new AbortController()
    const call = textOf(client, { signal: alone.signal })
    await vi.waitFor(() => expect(served).toBe(2))
    alone.abort()
    expect(await call).toBe('SD_ABORTED')
    await vi.waitFor(() => expect(world.active()).toBe(0))
  })

  test('each caller has its own deadline, and a large body is not shared', async () => {
    await serve({}, 'y'.repeat(1_100_000))
    const client = world.client({ collapse: true })
    const slow = textOf(client)
    const hurried = textOf(client, { timeoutMs: 30 })
    expect(await hurried).toBe('SD_DEADLINE_EXCEEDED')
    const texts = await callAll([slow, textOf(client)], 1)
    expect(texts.map(({ length }) => length)).toEqual([1_100_008, 1_100_008])
    expect(served).toBe(3)
  })
})

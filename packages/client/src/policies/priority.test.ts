import type { ServerResponse } from 'node:http'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { readPriority } from '@sd/core'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RequestOptions, ServiceClient } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

async function statusOf(client: ServiceClient, options: RequestOptions = {}, method: string = 'GET'): Promise<number | string> {
  try {
    const response = await client.request('orders', '/', { method, ...options })
    await response.bytes()
    return response.status
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('priority', () => {
  test.each([
    ['a bulkhead', ({ name }: { name: string }) => createBulkhead({ name, maxConcurrent: 10, maxQueued: 10 })],
    [
      'an adaptive limit',
      ({ name }: { name: string }) => createAdaptiveLimit({ name, minLimit: 10, maxLimit: 10, maxEventLoopDelayMs: 0 }),
    ],
  ])('batch is rejected while the others have places: %s', async (_, concurrencyLimit) => {
    const held: ServerResponse[] = []
    await world.serve((_request, response) => void held.push(response))
    const client = world.client({ concurrencyLimit, attemptTimeoutMs: 0 })
    const calls = Array.from({ length: 5 }, () => statusOf(client, { priority: 'batch' }))
    await vi.waitFor(() => expect(held).toHaveLength(5))
    expect(await statusOf(client, { priority: 'batch' })).toBe('SD_REJECTED')
    calls.push(...Array.from({ length: 4 }, () => statusOf(client, { priority: 'default' })))
    calls.push(statusOf(client, { priority: 'critical' }))
    await vi.waitFor(() => expect(held).toHaveLength(10))
    for (const response of held) response.end()
    expect(await Promise.all(calls)).toEqual(Array(10).fill(200))
  })

  test('is sent downstream in a header, and read there', async () => {
    const seen: unknown[] = []
    await world.serve((request, response) => {
      seen.push([
        request.headers['x-request-priority'],
        readPriority(request.headers),
        readPriority(request.headers, { trusted: false }),
      ])
      response.end()
    })
    const client = world.client()
    for (const priority of ['batch', 'critical', 'default', undefined] as const) await statusOf(client, { priority })
    expect(seen).toEqual([
      ['batch', 'batch', undefined],
      ['critical', 'critical', undefined],
      ['default', 'default', undefined],
      [undefined, undefined, undefined],
    ])
    expect(readPriority({ 'x-request-priority': 'root' })).toBeUndefined()
    await expect(client.get('orders', '/', { priority: 'high' as never })).rejects.toMatchObject({ field: 'priority' })
  })
})

describe('idempotent', () => {
  async function serveFlaky(): Promise<(string | undefined)[]> {
    const keys: (string | undefined)[] = []
    for (let instance = 0; instance < 2; instance++) {
      await world.serve((request, response) => {
        request.resume()
        keys.push(request.headers['idempotency-key'] as string | undefined)
        if (keys.length % 2 === 1) request.socket.destroy()
        else response.end()
      })
    }
    return keys
  }

  test.each([
    ['without a policy', {}],
    [
      'with a retry policy',
      { retry: ({ budget }: { budget: never }) => createRetryPolicy({ budget, backoff: { kind: 'fixed', delayMs: 1 } }) },
    ],
  ])('a POST is repeated with one key for all attempts, %s', async (_, settings) => {
    const keys = await serveFlaky()
    const client = world.client({
      ...settings,
      services: { orders: { operations: { 'POST /': { idempotent: true } } } },
    } as object)
    expect(await statusOf(client, { body: 'a' }, 'POST')).toBe(200)
    expect(await statusOf(client, { body: 'a' }, 'POST')).toBe(200)
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect(keys).toEqual([keys[0], keys[0], keys[2], keys[2]])
    expect(keys[2]).not.toBe(keys[0])
  })

  test('the key of the caller stays; without the setting, or for GET, none is added', async () => {
    const keys = await serveFlaky()
    const client = world.client()
    expect(await statusOf(client, { idempotent: true, headers: { 'Idempotency-Key': 'mine' } }, 'POST')).toBe(200)
    expect(await statusOf(client, { idempotent: true })).toBe(200)
    expect(await statusOf(client, {}, 'POST')).toBe('SD_UNAVAILABLE')
    expect(keys).toEqual(['mine', 'mine', undefined, undefined, undefined])
    await expect(client.get('orders', '/', { idempotent: 1 as never })).rejects.toMatchObject({ field: 'idempotent' })
    expect(() => world.client({ idempotent: 'yes' as never })).toThrow(expect.objectContaining({ field: 'idempotent' }))
  })
})

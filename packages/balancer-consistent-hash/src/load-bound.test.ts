import type { Endpoint } from '@sd/core'
import { createTestEndpoints, createTestView } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createLoadBound } from './load-bound.ts'

function create(weights: readonly number[], loadFactor: number = 1.25, active: readonly number[] = []) {
  const endpoints = createTestEndpoints(weights)
  for (const [index, count] of active.entries()) for (let call = 0; call < count; call++) endpoints[index]?.acquire()
  const bound = createLoadBound(createTestView(endpoints), loadFactor)
  const acquire = (index: number, count: number): void => {
    const endpoint = endpoints[index] as Endpoint
    for (let call = 0; call < count; call++) endpoint.acquire()
    bound.changed(endpoint)
  }
  const release = (index: number): void => {
    const endpoint = endpoints[index] as Endpoint
    endpoint.release({ ok: true, latencyMs: 1 })
    bound.changed(endpoint)
  }
  return { bound, acquire, release, room: () => endpoints.map((_, index) => bound.hasRoom(index)) }
}

describe('an endpoint has room', () => {
  test('for one request if there are none', () => {
    expect(create([1, 1, 1]).room()).toEqual([true, true, true])
  })

  test('up to its share by weight of all requests, with the new one, times the factor, rounded up', () => {
    // 1.25 × 1/4 × (11 + 1) = 3.75 and 1.25 × 3/4 × 12 = 11.25
    const { room, acquire } = create([1, 3])
    acquire(0, 3)
    acquire(1, 8)
    expect(room()).toEqual([true, true])
    // 1.25 × 1/4 × 13 = 4.06: five; with four it still has room.
    acquire(0, 1)
    expect(room()).toEqual([true, true])
    acquire(0, 1)
    // 1.25 × 1/4 × 14 = 4.4: five are in progress.
    expect(room()).toEqual([false, true])
  })

  test('again after requests have ended', () => {
    const { room, acquire, release } = create([1, 1], 1.01)
    acquire(0, 2)
    expect(room()).toEqual([false, true])
    release(0)
    expect(room()).toEqual([true, true])
  })

  test('or not, counted with the requests that were in progress before', () => {
    expect(create([1, 1], 1.01, [2, 0]).room()).toEqual([false, true])
    expect(create([1, 1], 1.01, [2, 4]).room()).toEqual([true, false])
  })
})

test('an endpoint that is not in the view changes nothing', () => {
  const { bound, room } = create([1, 1], 1.01)
  const [other] = createTestEndpoints([1], 'users') as [Endpoint]
  for (let call = 0; call < 10; call++) other.acquire()
  bound.changed(other)
  expect(room()).toEqual([true, true])
})

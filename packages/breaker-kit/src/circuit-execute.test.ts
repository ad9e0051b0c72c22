import type { CircuitBreaker, CircuitBreakerOptions } from '@sd/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { assembleCircuitBreaker } from './assemble-circuit-breaker.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function createBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  return assembleCircuitBreaker(() => ({ open() {}, close() {} }), { name: 'orders', ...options })
}

async function fail(): Promise<never> {
  throw new Error('no luck')
}

test('a signal is created for work that declares it, or if the call can end early', async () => {
  const given: unknown[] = []
  function note(...all: unknown[]): void {
    given.push(all[0])
  }
  await createBreaker().execute(note)
  await createBreaker().execute((signal) => note(signal))
  await createBreaker({ timeoutMs: 10 }).execute(note)
  await createBreaker().execute(note, { signal: new AbortController().signal })
  await createBreaker().execute(note)
  const isSignal = expect.any(AbortSignal)
  expect(given).toEqual(Array(5).fill(isSignal))
  expect(given[4]).toBe(given[0])
  expect(new Set(given).size).toBe(4)
  expect(vi.getTimerCount()).toBe(0)
})

test('a call that reaches its limit is a failure, and its later result is dropped', async () => {
  const breaker = createBreaker({ window: { kind: 'count', size: 2 }, minimumCalls: 1, timeoutMs: 100 })
  const late = breaker.execute(() => new Promise((resolve) => setTimeout(resolve, 200)))
  const ended = expect(late).rejects.toMatchObject({ code: 'SD_TIMEOUT', message: 'call through orders took longer than 100 ms' })
  await vi.advanceTimersByTimeAsync(300)
  await ended
  expect(breaker.state).toBe('open')
})

test('slow calls are judged by their duration', async () => {
  const breaker = createBreaker({ window: { kind: 'count', size: 1 }, slowCallMs: 50 })
  const slow = breaker.execute(() => new Promise((resolve) => setTimeout(resolve, 60, 'late')))
  await vi.advanceTimersByTimeAsync(100)
  expect(await slow).toBe('late')
  expect(breaker.state).toBe('open')
  await expect(breaker.execute(fail)).rejects.toMatchObject({ code: 'SD_REJECTED', message: 'orders refused the call' })
})

test('an error of a fallback is the result', async () => {
  const run = (error: unknown): never => {
    throw new Error(`worse than ${(error as Error).message}`)
  }
  await expect(createBreaker().execute(fail, { fallback: { kind: 'function', run } })).rejects.toThrow('worse than no luck')
})

test('last successes are bounded, undefined is a success, and recently used ones stay', async () => {
  const breaker = createBreaker({ maxLastSuccesses: 2 })
  const keyed = (key: string) => ({ fallback: { kind: 'last-success', key } }) as const
  await breaker.execute(() => undefined, keyed('a'))
  await breaker.execute(() => 'b', keyed('b'))
  expect(await breaker.execute(fail, keyed('a'))).toBe(undefined)
  await breaker.execute(() => 'c', keyed('c'))
  expect(await breaker.execute(fail, keyed('a'))).toBe(undefined)
  await expect(breaker.execute(fail, keyed('b'))).rejects.toThrow('no luck')
})

import { type CircuitBreaker, type CircuitBreakerOptions, type CircuitFallback, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { assembleCircuitBreaker } from './assemble-circuit-breaker.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function createBreaker(options: CircuitBreakerOptions = {}): CircuitBreaker {
  return assembleCircuitBreaker({ createEngine: () => ({ open() {}, close() {} }), options: { name: 'orders', ...options } })
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

describe('a fallback', () => {
  const fallback = { kind: 'value', value: 'instead' } as const

  test('replaces a failure, and the refusal of an open circuit', async () => {
    const breaker = createBreaker()
    expect(await breaker.execute(fail, { fallback })).toBe('instead')
    breaker.isolate()
    const work = vi.fn()
    expect(await breaker.execute(work, { fallback })).toBe('instead')
    const run = vi.fn((_: unknown) => 'by a function')
    expect(await breaker.execute(work, { fallback: { kind: 'function', run } })).toBe('by a function')
    expect(run).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'SD_REJECTED' }))
    expect(work).not.toHaveBeenCalled()
  })

  test('does not replace a result', async () => {
    expect(await createBreaker().execute(async () => 'own', { fallback })).toBe('own')
    expect(await createBreaker().execute(() => 'own', { fallback })).toBe('own')
  })

  test('does not replace an error that says nothing about the peer, or one after an abort', async () => {
    const invalid = new SdError('SD_INVALID', 'bad request')
    const breaker = createBreaker()
    await expect(breaker.execute(() => Promise.reject(invalid), { fallback })).rejects.toBe(invalid)
    const controller = new AbortController()
    const aborted = breaker.execute(
      async () => {
        controller.abort()
        throw new Error('no luck')
      },
      { fallback, signal: controller.signal },
    )
    await expect(aborted).rejects.toThrow()
  })

  test('of the last success is for its key, as long as it is young enough', async () => {
    const breaker = createBreaker()
    const last = (key: string, maxAgeMs?: number): { readonly fallback: CircuitFallback<unknown> } => ({
      fallback: { kind: 'last-success', key, ...(maxAgeMs !== undefined && { maxAgeMs }) },
    })
    await expect(breaker.execute(fail, last('a'))).rejects.toThrow('no luck')
    await breaker.execute(() => 'kept', last('a'))
    await breaker.execute(() => 'not kept')
    vi.advanceTimersByTime(1_000)
    expect(await breaker.execute(fail, last('a'))).toBe('kept')
    expect(await breaker.execute(fail, last('a', 1_000))).toBe('kept')
    await expect(breaker.execute(fail, last('a', 999))).rejects.toThrow('no luck')
    await expect(breaker.execute(fail, last('b'))).rejects.toThrow('no luck')
    breaker.isolate()
    expect(await breaker.execute(fail, last('a'))).toBe('kept')
    await expect(breaker.execute(fail, last('b'))).rejects.toMatchObject({ code: 'SD_REJECTED' })
  })
})

test('a call whose signal has fired before takes no permit', async () => {
  const breaker = createBreaker({ window: { kind: 'count', size: 1 } })
  const work = vi.fn()
  await expect(breaker.execute(work, { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
    code: 'SD_ABORTED',
    cause: 'why',
  })
  expect([work.mock.calls.length, breaker.state]).toEqual([0, 'closed'])
})

test('a failed call that was slow counts as slow, too', async () => {
  const breaker = createBreaker({ window: { kind: 'count', size: 1 }, failureRate: 1, slowCallMs: 50, isIgnored: () => false })
  const reasons: string[] = []
  breaker.onStateChange(({ reason }) => reasons.push(reason))
  const slow = breaker.execute(() => new Promise((_, reject) => setTimeout(reject, 60, new SdError('SD_INVALID', 'late'))))
  const ended = expect(slow).rejects.toThrow('late')
  await vi.advanceTimersByTimeAsync(60)
  await ended
  expect(reasons).toEqual(['failure-rate'])
})

import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createCockatielEngine } from './cockatiel-engine.ts'
import { createCockatielBreaker } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a wall clock that is set back by an hour does not keep the circuit open', async () => {
  const breaker = createCockatielBreaker({ openMs: 1_000, trials: 1 })
  breaker.open()
  await vi.advanceTimersByTimeAsync(500)
  vi.setSystemTime(Date.now() - 3_600_000)
  await vi.advanceTimersByTimeAsync(600)
  expect(breaker.state).toBe('half-open')
  breaker.tryAcquire()?.settle({ ok: true })
  expect(breaker.state).toBe('closed')
})

test('a wall clock that lags a little behind the timer is waited for', async () => {
  const onHalfOpen = vi.fn()
  const engine = createCockatielEngine({ name: 'test', onHalfOpen })
  engine.open(1_000)
  await vi.advanceTimersByTimeAsync(500)
  vi.setSystemTime(Date.now() - 3)
  await vi.advanceTimersByTimeAsync(502)
  expect(onHalfOpen).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(onHalfOpen).toHaveBeenCalledTimes(1)
})

test('an open circuit keeps no process alive', () => {
  vi.useRealTimers()
  const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timers()
  const breaker = createCockatielBreaker({ openMs: 60_000 })
  breaker.open()
  expect(timers()).toBe(before)
  breaker.close()
})

test('cockatiel itself ends every open time, with a single probe', async () => {
  const breaker = createCockatielBreaker({ openMs: 1_000, trials: 1 })
  breaker.open()
  for (let round = 0; round < 3; round++) {
    await vi.advanceTimersByTimeAsync(1_000)
    expect(breaker.state).toBe('half-open')
    breaker.tryAcquire()?.settle({ ok: false })
    expect(breaker.state).toBe('open')
  }
})

test('a closed circuit leaves no timer', async () => {
  const breaker = createCockatielBreaker({ openMs: 1_000 })
  expect(vi.getTimerCount()).toBe(0)
  breaker.open()
  expect(vi.getTimerCount()).toBe(1)
  breaker.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('for any sequence of calls, it reports the end of each open time once, and no other', async () => {
  const openMs = 100
  const step = fc.oneof(fc.constant('open' as const), fc.constant('close' as const), fc.integer({ min: 0, max: 150 }))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const [received, expected]: [number[], number[]] = [[], []]
      const engine = createCockatielEngine({ name: 'test', onHalfOpen: () => received.push(performance.now()) })
      let dueAt = Number.POSITIVE_INFINITY
      for (const one of [...steps, openMs]) {
        if (one === 'open') {
          engine.open(openMs)
          dueAt = performance.now() + openMs
        } else if (one === 'close') {
          engine.close()
          dueAt = Number.POSITIVE_INFINITY
        } else {
          await vi.advanceTimersByTimeAsync(one)
          if (dueAt > performance.now()) continue
          expected.push(dueAt)
          dueAt = Number.POSITIVE_INFINITY
        }
      }
      expect(received).toEqual(expected)
    }),
  )
})

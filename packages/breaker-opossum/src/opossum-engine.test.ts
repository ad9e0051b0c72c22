import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOpossumBreaker } from './index.ts'
import { createOpossumEngine } from './opossum-engine.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a closed circuit leaves no timer', async () => {
  const breaker = createOpossumBreaker({ openMs: 1_000 })
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
      const engine = createOpossumEngine({ name: 'test', onHalfOpen: () => received.push(performance.now()) })
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

import { type CallContext, createRetryBudget, type HedgeHooks } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createHedgePolicy } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const call = (method: string): CallContext => ({ method }) as CallContext
function hooks(change: Partial<HedgeHooks<number>> = {}): HedgeHooks<number> {
  const { signal } = new AbortController()
  return { signal, canStart: () => true, isFinal: ({ value }) => value === 200, discard() {}, onHedge() {}, ...change }
}

describe('a hedge policy', () => {
  test('covers idempotent calls, or those that it is told', () => {
    const covered = (methods?: readonly string[]): boolean[] =>
      ['GET', 'PUT', 'POST'].map((method) => createHedgePolicy(methods ? { methods } : {}).covers(call(method)))
    expect([covered(), covered(['POST'])]).toEqual([
      [true, true, false],
      [false, false, true],
    ])
  })

  test('runs attempts with the hooks of each call, and earns nothing for its budget', async () => {
    const budget = createRetryBudget({ ratio: 1, minPerSecond: 1 })
    const policy = createHedgePolicy({ delayMs: 10, budget })
    const discard = vi.fn()
    const onHedge = vi.fn()
    const run = async ({ attempt }: { attempt: number }): Promise<number> => (attempt === 1 ? 503 : 200)
    expect(await policy.execute(run, hooks({ discard, onHedge }))).toBe(200)
    expect([discard.mock.calls, onHedge.mock.calls.length, budget.available]).toEqual([[[503]], 1, 0])
    expect(await policy.execute(run, hooks())).toBe(503)
  })

  test('takes nothing from the budget while there is nowhere to go', async () => {
    const budget = createRetryBudget({ ratio: 0, minPerSecond: 1 })
    const policy = createHedgePolicy({ delayMs: 10, budget })
    expect(await policy.execute(async () => 503, hooks({ canStart: () => false }))).toBe(503)
    expect(budget.available).toBe(1)
  })

  test('learns its delay', async () => {
    const policy = createHedgePolicy({ delayMs: 5, percentile: 0.9, minSamples: 1 })
    const slow = (): Promise<number> => new Promise((resolve) => setTimeout(resolve, 100, 200))
    const attempts: number[] = []
    const onHedge = ({ afterMs }: { afterMs: number }): void => void attempts.push(afterMs)
    for (let index = 0; index < 2; index++) {
      const answer = policy.execute(slow, hooks({ onHedge }))
      await vi.advanceTimersByTimeAsync(150)
      expect(await answer).toBe(200)
    }
    expect(attempts[0]).toBe(5)
    expect(attempts[1] ?? 200).toBeGreaterThan(90)
  })

  test('refuses bad options', () => {
    for (const [field, options] of [
      ['delayMs', { delayMs: -1 }],
      ['methods', { methods: ['get'] }],
      ['isFinal', { isFinal: () => true }],
    ] as const) {
      expect(() => createHedgePolicy(options as object)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
    }
  })
})

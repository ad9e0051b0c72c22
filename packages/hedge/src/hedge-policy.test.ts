import { type CallContext, createRetryBudget, type HedgeHooks, type Outcome, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createHedgePolicy } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
  // The clock does not start at 0.
  vi.advanceTimersByTime(10_000)
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
  test('covers idempotent calls, or the given methods', () => {
    const covered = (methods?: readonly string[]): boolean[] =>
      ['GET', 'PUT', 'POST'].map((method) => createHedgePolicy(methods ? { methods } : {}).covers(call(method)))
    expect([covered(), covered(['POST'])]).toEqual([
      [true, true, false],
      [false, false, true],
    ])
  })

  test('runs attempts with the hooks of each call, and does not credit its budget', async () => {
    const budget = createRetryBudget({ ratio: 1, minPerSecond: 1 })
    const policy = createHedgePolicy({ delayMs: 10, budget })
    const discard = vi.fn()
    const onHedge = vi.fn()
    const run = async ({ attempt }: { attempt: number }): Promise<number> => (attempt === 1 ? 503 : 200)
    expect(await policy.execute(run, hooks({ discard, onHedge }))).toBe(200)
    expect([discard.mock.calls, onHedge.mock.calls.length, budget.available]).toEqual([[[503]], 1, 0])
    expect(await policy.execute(run, hooks())).toBe(503)
  })

  test('takes nothing from the budget while no endpoint is left', async () => {
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
      const reply = policy.execute(slow, hooks({ onHedge }))
      await vi.advanceTimersByTimeAsync(150)
      expect(await reply).toBe(200)
    }
    expect(attempts[0]).toBe(5)
    expect(attempts[1] ?? 200).toBeGreaterThan(90)
  })

  test.each<[string, Outcome]>([
    ['503', { ok: false, status: 503 }],
    ['a refused connection', { ok: false, error: new SdError('SD_UNAVAILABLE', 'refused') }],
    ['a timeout', { ok: false, error: new SdError('SD_TIMEOUT', 'late') }],
    ['a mistake of the caller', { ok: false, error: new SdError('SD_INVALID', 'bad header') }],
    ['an abort', { ok: true, error: new SdError('SD_ABORTED', 'left') }],
  ])('3,000 times %s in 1 ms add no samples: after the outage it hedges as before', async (_, outcome) => {
    const budget = createRetryBudget({ ratio: 10, minPerSecond: 10_000 })
    const policy = createHedgePolicy({ delayMs: 500, percentile: 0.95, budget })
    let hedges = 0
    async function call(afterMs: number, ended: Outcome): Promise<void> {
      const run = (): Promise<number> => new Promise((resolve) => setTimeout(resolve, afterMs, ended.ok ? 200 : 503))
      const response = policy.execute(run, hooks({ onHedge: () => hedges++, outcomeOf: () => ended, canStart: () => ended.ok }))
      await vi.advanceTimersByTimeAsync(afterMs)
      await response
    }
    const good = { ok: true, status: 200 }
    for (let round = 0; round < 100; round++) await call(40 + (round % 10), good)
    for (let round = 0; round < 3_000; round++) await call(1, outcome)
    hedges = 0
    for (let round = 0; round < 100; round++) await call(40 + (round % 10), good)
    expect(hedges).toBe(0)
  })

  test('rejects invalid options', () => {
    for (const [field, options] of [
      ['delayMs', { delayMs: -1 }],
      ['methods', { methods: ['get'] }],
      ['methods', { methods: [5] }],
      ['methods', { methods: 'GET' }],
      ['isFinal', { isFinal: () => true }],
    ] as const) {
      expect(() => createHedgePolicy(options as object)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
    }
    expect(() => createHedgePolicy().execute(1 as never, hooks())).toThrow('Invalid run')
  })
})

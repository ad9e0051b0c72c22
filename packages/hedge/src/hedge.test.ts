import { createRetryBudget, type HedgedAttempt, SdError } from '@sd/core'
import { createSeededRandom } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createHedge, type HedgeOptions } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
  // The clock does not start at 0.
  vi.advanceTimersByTime(10_000)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A peer whose attempts take this long and end with a value or an error. */
function createPeer<T>(...ends: readonly (readonly [afterMs: number, end: T | Error])[]) {
  const signals: AbortSignal[] = []
  async function run({ attempt, signal }: HedgedAttempt): Promise<T> {
    signals.push(signal)
    const [afterMs, end] = ends[attempt - 1] ?? [0, new Error('not expected')]
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    if (end instanceof Error) throw end
    return end
  }
  return { run, signals }
}

const unavailable = (text: string): SdError => new SdError('SD_UNAVAILABLE', text)

describe('execute', () => {
  test('returns a fast response and starts nothing else', async () => {
    const peer = createPeer([50, 'a'])
    const response = createHedge().execute(peer.run)
    await vi.advanceTimersByTimeAsync(50)
    expect([await response, peer.signals.length, peer.signals[0]?.aborted]).toEqual(['a', 1, false])
  })

  test('the second attempt wins, the first is aborted', async () => {
    const onHedge = vi.fn()
    const discard = vi.fn()
    const peer = createPeer([500, 'slow'], [20, 'fast'])
    const response = createHedge({ delayMs: 100, onHedge, discard }).execute(peer.run)
    await vi.advanceTimersByTimeAsync(120)
    expect(await response).toBe('fast')
    expect(peer.signals.map(({ aborted }) => aborted)).toEqual([true, false])
    expect(peer.signals[0]?.reason).toMatchObject({ code: 'SD_ABORTED' })
    expect(onHedge.mock.calls).toEqual([[{ attempt: 2, afterMs: 100 }]])
    await vi.advanceTimersByTimeAsync(500)
    expect(discard.mock.calls).toEqual([['slow']])
  })

  test('the first attempt may still win', async () => {
    const peer = createPeer([150, 'first'], [500, unavailable('late')])
    const response = createHedge({ delayMs: 100 }).execute(peer.run)
    await vi.advanceTimersByTimeAsync(1_000)
    expect([await response, peer.signals.map(({ aborted }) => aborted)]).toEqual(['first', [false, true]])
  })

  test('reads a response that arrived while this process was blocked before it starts another attempt', async () => {
    // Fake only the timers: what matters is that reads come before `setImmediate`.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const now = performance.now.bind(performance)
    let standstillMs = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now() + standstillMs)
    const response = Promise.withResolvers<string>()
    const run = vi.fn(() => response.promise)
    const call = createHedge({ delayMs: 100 }).execute(run)
    standstillMs = 500
    vi.advanceTimersByTime(100)
    response.resolve('read')
    expect(await call).toBe('read')
    await new Promise((resolve) => setImmediate(resolve))
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('makes no more attempts than maxAttempts', async () => {
    const peer = createPeer<string>([900, 'a'], [900, 'b'], [900, 'c'])
    const response = createHedge({ delayMs: 100, maxAttempts: 3 }).execute(peer.run)
    await vi.advanceTimersByTimeAsync(800)
    expect(peer.signals.length).toBe(3)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await response).toBe('a')
  })

  test('leaves no timer if nothing else may start', async () => {
    const response = Promise.withResolvers<string>()
    const call = createHedge({ delayMs: 100, maxAttempts: 2 }).execute(() => response.promise)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(100)
    expect(vi.getTimerCount()).toBe(0)
    response.resolve('late')
    expect(await call).toBe('late')
  })

  test('a failure starts the next attempt at once; the last error is thrown', async () => {
    const peer = createPeer([10, unavailable('one')], [10, unavailable('two')])
    const response = createHedge({ delayMs: 100 }).execute(peer.run)
    response.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(20)
    await expect(response).rejects.toThrow('two')
  })

  test('a final error ends the call', async () => {
    const peer = createPeer([200, 'late'], [10, new SdError('SD_DENIED', 'no')])
    const response = createHedge({ delayMs: 100 }).execute(peer.run)
    response.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(300)
    await expect(response).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  test('returns the last value that was not accepted, and discards the others', async () => {
    const discard = vi.fn()
    const options: HedgeOptions<number> = { maxAttempts: 3, discard, isFinal: ({ value }) => value === 200 }
    const refused = createHedge(options).execute(createPeer<number>([1, 503], [1, 502], [1, unavailable('x')]).run)
    await vi.advanceTimersByTimeAsync(10)
    expect([await refused, discard.mock.calls]).toEqual([502, [[503]]])
    const accepted = createHedge(options).execute(createPeer<number>([1, 503], [1, 200]).run)
    await vi.advanceTimersByTimeAsync(10)
    expect([await accepted, discard.mock.calls]).toEqual([200, [[503], [503]]])
  })

  test('waits as long as the peer requests, and starts nothing if the peer forbids it', async () => {
    const startedAt = performance.now()
    const hedgeWithDelay = (ms: number) => createHedge<string>({ serverDelayMs: () => ms })
    const later = hedgeWithDelay(700).execute(createPeer<string>([1, unavailable('x')], [1, 'ok']).run)
    await vi.advanceTimersByTimeAsync(702)
    expect([await later, performance.now() - startedAt]).toEqual(['ok', 702])
    for (const ms of [-1, 30_001]) {
      const peer = createPeer<string>([1, unavailable('x')])
      const never = hedgeWithDelay(ms).execute(peer.run)
      never.catch(() => undefined)
      await vi.advanceTimersByTimeAsync(1)
      await expect(never).rejects.toThrow('x')
      expect(peer.signals.length).toBe(1)
    }
  })

  test('the caller aborts', async () => {
    const caller = new AbortController()
    const discard = vi.fn()
    const hedge = createHedge<string>({ delayMs: 10, discard, isFinal: () => false, maxAttempts: 3 })
    const peer = createPeer([1, 'kept'], [900, 'b'], [900, 'c'])
    const response = hedge.execute(peer.run, { signal: caller.signal })
    await vi.advanceTimersByTimeAsync(50)
    caller.abort('enough')
    await expect(response).rejects.toMatchObject({ code: 'SD_ABORTED', cause: 'enough' })
    expect(peer.signals.map(({ aborted }) => aborted)).toEqual([false, true, true])
    expect(discard.mock.calls).toEqual([['kept']])
    await expect(hedge.execute(peer.run, { signal: caller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(discard.mock.calls).toEqual([['kept'], ['b'], ['c']])
  })

  test('an error of isFinal reaches the caller; errors of listeners do not affect the call', async () => {
    const fail = (): never => {
      throw new Error('bug')
    }
    const peer = () => createPeer([200, 'a'], [1, 'b'])
    for (const options of [{ isFinal: fail }, { isFinal: () => false, serverDelayMs: fail }]) {
      const response = createHedge(options).execute(peer().run)
      response.catch(() => undefined)
      await vi.advanceTimersByTimeAsync(1_000)
      await expect(response).rejects.toThrow('bug')
    }
    vi.spyOn(process, 'emitWarning').mockReturnValue()
    for (const options of [{ discard: fail }, { onHedge: fail }]) {
      const response = createHedge(options).execute(peer().run)
      await vi.advanceTimersByTimeAsync(1_000)
      expect(await response).toBe('b')
    }
  })

  test('a synchronous exception fails like any other', async () => {
    const fail = (): never => {
      throw new TypeError('at once')
    }
    await expect(createHedge().execute(fail)).rejects.toThrow('at once')
  })
})

describe('the budget', () => {
  test('starts nothing else without budget', async () => {
    const budget = createRetryBudget({ ratio: 0, minPerSecond: 1 })
    const hedge = createHedge({ delayMs: 10, budget })
    const peers = [createPeer([50, 'a'], [1, 'b']), createPeer([50, 'a'], [1, 'b'])]
    const responses = Promise.all(peers.map(({ run }) => hedge.execute(run)))
    await vi.advanceTimersByTimeAsync(50)
    expect(await responses).toEqual(['b', 'a'])
    const failing = createPeer([1, unavailable('alone')])
    const failed = hedge.execute(failing.run)
    failed.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(1)
    await expect(failed).rejects.toThrow('alone')
  })

  test('a refusal is final for the call, while its first attempt continues', async () => {
    const budget = createRetryBudget({ ratio: 0, minPerSecond: 0 })
    const tryWithdraw = vi.spyOn(budget, 'tryWithdraw')
    const slow = createHedge({ delayMs: 10, budget, maxAttempts: 5 }).execute(createPeer([100, 'a']).run)
    await vi.advanceTimersByTimeAsync(100)
    expect([await slow, tryWithdraw.mock.calls.length]).toEqual(['a', 1])
    const failing = createHedge({ delayMs: 10, budget, maxAttempts: 5 }).execute(createPeer([100, unavailable('alone')]).run)
    failing.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(100)
    await expect(failing).rejects.toThrow('alone')
    expect(tryWithdraw).toHaveBeenCalledTimes(2)
  })

  test('1,000 slow calls per second make at most 1.2 × as many attempts plus 10 per second', async () => {
    let attempts = 0
    const hedge = createHedge({ delayMs: 20, maxAttempts: 5 })
    async function run(): Promise<never> {
      attempts++
      await new Promise((resolve) => setTimeout(resolve, 100))
      throw unavailable('down')
    }
    for (let call = 0; call < 5_000; call++) {
      hedge.execute(run).catch(() => undefined)
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(attempts).toBeLessThanOrEqual(1.2 * 5_000 + 10 * 5)
    expect(attempts).toBeGreaterThan(1.19 * 5_000)
    await vi.advanceTimersByTimeAsync(1_000)
  })

  test('is not credited with countsCalls: false', async () => {
    const budget = createRetryBudget({ ratio: 1, minPerSecond: 0 })
    await createHedge({ budget, countsCalls: false }).execute(async () => 1)
    expect(budget.available).toBe(0)
    await createHedge({ budget }).execute(async () => 1)
    expect(budget.available).toBe(1)
  })
})

describe('the delay', () => {
  test('is fixed without a percentile', async () => {
    const hedge = createHedge({ delayMs: 400, minSamples: 1 })
    const response = hedge.execute(createPeer([10, 'a']).run)
    await vi.advanceTimersByTimeAsync(10)
    await response
    expect(hedge.currentDelayMs).toBe(400)
  })

  test('follows the latency of first attempts, including those that lost', async () => {
    const hedge = createHedge({ delayMs: 400, percentile: 0.9, minSamples: 10 })
    for (let call = 1; call <= 10; call++) {
      expect(hedge.currentDelayMs).toBe(400)
      const response = hedge.execute(createPeer([call * 10, 'a']).run)
      await vi.advanceTimersByTimeAsync(call * 10)
      await response
    }
    expect(hedge.currentDelayMs).toBeGreaterThanOrEqual(90)
    expect(hedge.currentDelayMs).toBeLessThanOrEqual(95)
    for (let call = 0; call < 5; call++) {
      const lost = hedge.execute(createPeer([5_000, 'a'], [200, 'b']).run)
      await vi.advanceTimersByTimeAsync(5_000)
      expect(await lost).toBe('b')
    }
    expect(hedge.currentDelayMs).toBeGreaterThan(200)
  })
})

test('hedging at the 94th percentile cuts the tail if one of twenty calls takes 1,000 ms', async () => {
  const random = createSeededRandom(11)
  const hedge = createHedge({ percentile: 0.94 })
  const run = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, random() < 0.05 ? 1_000 : 10 + random() * 40))
  const latencies: number[] = []
  let isOver = false
  async function call(): Promise<void> {
    const startedAt = performance.now()
    await hedge.execute(run)
    latencies.push(performance.now() - startedAt)
  }
  const all = (async () => {
    for (let number = 0; number < 1_000; number++) await call()
    isOver = true
  })()
  while (!isOver) await vi.advanceTimersByTimeAsync(100)
  await all
  await vi.advanceTimersByTimeAsync(1_000)
  expect(latencies.toSorted((a, b) => a - b)[989]).toBeLessThan(200)
})

test('rejects invalid options', async () => {
  const cases: readonly (readonly [string, object])[] = [
    ['delayMs', { delayMs: -1 }],
    ['percentile', { percentile: 95 }],
    ['minSamples', { minSamples: 0 }],
    ['windowMs', { windowMs: 0 }],
    ['maxAttempts', { maxAttempts: 6 }],
    ['budget.deposit', { budget: {} }],
    ['countsCalls', { countsCalls: 1 }],
    ['isFinal', { isFinal: true }],
    ['serverDelayMs', { serverDelayMs: 5 }],
    ['discard', { discard: 1 }],
    ['onHedge', { onHedge: 1 }],
    ['delay', { delay: 5 }],
  ]
  for (const [field, options] of cases) {
    expect(() => createHedge(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
  expect(() => createHedge().execute(1 as never)).toThrow('Invalid run')
})

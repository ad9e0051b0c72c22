import { createRetryBudget, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type RetryAttempt, type RetryOptions, retry } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const backoff: RetryOptions['backoff'] = { kind: 'fixed', delayMs: 100, jitter: 0 }

/** Creates a function whose attempts end with these values; an `Error` is thrown. */
function endWith<T>(...ends: readonly (T | Error)[]) {
  return vi.fn(async ({ attempt }: RetryAttempt): Promise<T> => {
    const end = ends[attempt - 1]
    if (end instanceof Error || end === undefined) throw end ?? new Error('not expected')
    return end
  })
}

/** Waits for a promise while the fake clock runs. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  await vi.advanceTimersByTimeAsync(ms)
  return promise
}

describe('retry', () => {
  test('retries after a delay and reports it', async () => {
    const onRetry = vi.fn()
    const lost = new Error('lost')
    const run = endWith<string>(lost, lost, 'ok')
    expect(await within(200, retry(run, { backoff, onRetry }))).toBe('ok')
    expect(run.mock.calls.map(([{ attempt }]) => attempt)).toEqual([1, 2, 3])
    expect(onRetry.mock.calls).toEqual([[{ attempt: 1, error: lost, delayMs: 100 }], [{ attempt: 2, error: lost, delayMs: 100 }]])
  })

  test('gives every attempt its own signal, even if nothing can abort it', async () => {
    const signals: AbortSignal[] = []
    const run = async (attempt: RetryAttempt): Promise<void> => {
      expect(attempt.signal).toBe(attempt.signal)
      signals.push(attempt.signal)
      if (attempt.attempt === 1) throw new Error('lost')
    }
    await within(100, retry(run, { backoff }))
    expect(new Set(signals).size).toBe(2)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
  })

  test('passes the previous delay to the backoff', async () => {
    const ownBackoff = vi.fn(({ attempt }: { readonly attempt: number }) => 100 * attempt)
    await within(600, retry(endWith<string>(new Error('1'), new Error('2'), 'ok'), { backoff: ownBackoff }))
    expect(ownBackoff.mock.calls).toEqual([[{ attempt: 1, previousDelayMs: undefined }], [{ attempt: 2, previousDelayMs: 100 }]])
  })

  test('an attempt that fails because the caller aborted ends as an abort', async () => {
    const caller = new AbortController()
    const run = endWith(new Error('torn'))
    const failed = retry(
      (attempt) => {
        caller.abort('enough')
        return run(attempt)
      },
      { signal: caller.signal },
    )
    await expect(failed).rejects.toMatchObject({ code: 'SD_ABORTED', cause: 'enough' })
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('throws the error of the last attempt', async () => {
    const run = endWith(new Error('1'), new Error('2'), new Error('3'), new Error('4'))
    await expect(within(1_000, retry(run, { backoff }))).rejects.toThrow('3')
    await expect(within(100, retry(endWith(new Error('1'), new Error('2')), { backoff, maxElapsedMs: 150 }))).rejects.toThrow('2')
  })

  test.each<[string, Error]>([
    ['an SdError that is not retryable', new SdError('SD_DENIED', 'final')],
    ['an abort', new DOMException('final', 'AbortError')],
  ])('does not retry after %s', async (_, error) => {
    const run = endWith(error)
    await expect(retry(run)).rejects.toThrow('final')
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('judges values, and returns the last one', async () => {
    const shouldRetry: RetryOptions<number>['shouldRetry'] = ({ value, error }) => error !== undefined || value === 503
    expect(await within(200, retry(endWith(503, new Error('x'), 200), { backoff, shouldRetry }))).toBe(200)
    expect(await within(200, retry(endWith(503, 503, 503), { backoff, shouldRetry }))).toBe(503)
  })

  test('waits as long as the server requests, wherever its header fields are', async () => {
    const busy = new Response('', { status: 503, headers: { 'retry-after': '2' } })
    const shouldRetry: RetryOptions<Response>['shouldRetry'] = ({ value }) => value?.status !== 200
    const thrown = Object.assign(new Error('503'), { response: { headers: { 'grpc-retry-pushback-ms': '3000' } } })
    const ok = new Response('ok')
    const startedAt = performance.now()
    const onRetry = vi.fn()
    expect(await within(5_200, retry(endWith(busy, thrown, ok), { backoff, shouldRetry, onRetry }))).toBe(ok)
    expect(onRetry.mock.calls.map(([{ delayMs }]) => delayMs)).toEqual([2_100, 3_100])
    expect(performance.now() - startedAt).toBe(5_200)
    const run = endWith(new Error('x'))
    await expect(retry(run, { serverDelayMs: () => -1 })).rejects.toThrow('x')
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('applies the timeout to each attempt', async () => {
    const signals: AbortSignal[] = []
    async function run({ attempt, signal }: RetryAttempt): Promise<string> {
      signals.push(signal)
      return attempt === 2 ? 'ok' : new Promise(() => undefined)
    }
    expect(await within(600, retry(run, { backoff, attemptTimeoutMs: 500 }))).toBe('ok')
    expect(signals[0]?.reason).toMatchObject({ code: 'SD_TIMEOUT' })
    await expect(
      within(
        500,
        retry(() => new Promise(() => undefined), { attemptTimeoutMs: 500, maxAttempts: 1 }),
      ),
    ).rejects.toThrow('attempt took longer than 500 ms')
  })

  test('ends at once when the caller aborts: before, during and between attempts', async () => {
    const before = endWith('never')
    await expect(retry(before, { signal: AbortSignal.abort('why') })).rejects.toMatchObject({ code: 'SD_ABORTED', cause: 'why' })
    expect(before).not.toHaveBeenCalled()
    for (const run of [() => new Promise<never>(() => undefined), endWith<never>(new Error('x'))]) {
      const caller = new AbortController()
      const running = retry(run, { backoff, signal: caller.signal })
      running.catch(() => undefined)
      await vi.advanceTimersByTimeAsync(50)
      caller.abort('enough')
      await expect(running).rejects.toMatchObject({ code: 'SD_ABORTED', cause: 'enough' })
    }
  })

  test('a synchronous exception fails like any other', async () => {
    const fail = vi.fn((): never => {
      throw new Error('at once')
    })
    await expect(within(200, retry(fail, { backoff }))).rejects.toThrow('at once')
    expect(fail).toHaveBeenCalledTimes(3)
  })
})

test('1,000 failing calls per second make at most 1.2 × as many attempts plus 10 per second', async () => {
  const budget = createRetryBudget()
  let attempts = 0
  async function fail(): Promise<never> {
    attempts++
    throw new Error('down')
  }
  for (let call = 0; call < 5_000; call++) {
    retry(fail, { budget, maxAttempts: 5 }).catch(() => undefined)
    await vi.advanceTimersByTimeAsync(1)
  }
  expect(attempts).toBeLessThanOrEqual(1.2 * 5_000 + 10 * 5)
  expect(attempts).toBeGreaterThan(1.18 * 5_000)
  await vi.advanceTimersByTimeAsync(10_000)
})

test('rejects invalid options', async () => {
  await expect(retry('now' as never)).rejects.toThrow('Invalid run')
  const cases: readonly (readonly [string, object])[] = [
    ['statuses', { statuses: [503] }],
    ['maxAttempts', { maxAttempts: 101 }],
    ['budget.deposit', { budget: {} }],
    ['attemptTimeoutMs', { attemptTimeoutMs: 0 }],
    ['shouldRetry', { shouldRetry: true }],
    ['serverDelayMs', { serverDelayMs: 1 }],
    ['onRetry', { onRetry: 1 }],
  ]
  for (const [field, options] of cases) {
    await expect(retry(async () => 1, options)).rejects.toMatchObject({
      code: 'SD_INVALID',
      message: expect.stringContaining(`Invalid ${field}`),
    })
  }
})

import { SdError } from '@sd/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createCheckRunner } from './check-run.ts'
import type { HealthCheck } from './index.ts'
import { localTarget, neverAborted } from './testing/targets.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function createRunner(run: HealthCheck['run']) {
  return {
    runCheck: createCheckRunner({ check: { name: 'database', run }, target: () => localTarget(80), timeoutMs: 100 }),
  }
}

test('a success has its duration and details', async () => {
  const { runCheck } = createRunner(async ({ port }) => {
    await new Promise((resolve) => setTimeout(resolve, 40))
    return { details: { port: String(port) } }
  })
  const running = runCheck(neverAborted)
  await vi.advanceTimersByTimeAsync(40)
  expect(await running).toEqual({ checkedAt: Date.now(), durationMs: 40, error: undefined, details: { port: '80' } })
})

test('a failure is an SdError', async () => {
  const { runCheck } = createRunner(async () => {
    throw new Error('no such table')
  })
  const { error } = await runCheck(neverAborted)
  expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', message: 'the database check: no such table' })
})

test.each([
  ['too many', Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`key${index}`, '']))],
  ['no texts', { count: 1 as never }],
  ['no object', 'fine' as never],
  ['a bad name', { '': 'a' }],
])('details that are %s are a failure', async (_, details) => {
  const { runCheck } = createRunner(async () => ({ details }))
  expect((await runCheck(neverAborted)).error).toMatchObject({ code: 'SD_INVALID' })
})

test('the timeout aborts the signal, and a check that ignores it does not run twice at the same time', async () => {
  const ends: (() => void)[] = []
  const signals: AbortSignal[] = []
  const { runCheck } = createRunner((_, { signal }) => {
    signals.push(signal)
    return new Promise((resolve) => ends.push(() => resolve(undefined)))
  })
  const first = runCheck(neverAborted)
  await vi.advanceTimersByTimeAsync(100)
  expect((await first).error).toMatchObject({ code: 'SD_TIMEOUT', message: 'the database check took longer than 100 ms' })
  expect(signals[0]?.aborted).toBe(true)
  expect((await runCheck(neverAborted)).error?.message).toBe('the database check is still running after its timeout')
  expect(ends).toHaveLength(1)

  ends[0]?.()
  await vi.advanceTimersByTimeAsync(0)
  const third = runCheck(neverAborted)
  ends[1]?.()
  expect((await third).error).toBeUndefined()
})

test('an abort rejects at once, and nothing is published', async () => {
  const { runCheck } = createRunner(() => new Promise(() => undefined))
  const ending = new AbortController()
  const running = runCheck(ending.signal)
  ending.abort()
  await expect(running).rejects.toSatisfy((error) => error instanceof SdError && error.code === 'SD_ABORTED')
})

import { breakerContract } from '@sd/testing'
import { afterEach, beforeEach, test, vi } from 'vitest'
import { createCockatielBreaker } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const harness = {
  create: createCockatielBreaker,
  advance: (durationMs: number) => vi.advanceTimersByTimeAsync(durationMs),
}

for (const { name, run } of breakerContract(harness)) test(name, run)

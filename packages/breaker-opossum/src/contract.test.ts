import { breakerContract } from '@sd/testing'
import { afterEach, beforeEach, test, vi } from 'vitest'
import { createOpossumBreaker } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const harness = {
  create: createOpossumBreaker,
  advance: (durationMs: number) => vi.advanceTimersByTimeAsync(durationMs),
}

for (const { name, run } of breakerContract(harness)) test(name, run)

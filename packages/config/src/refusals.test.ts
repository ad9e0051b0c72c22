import { createConfigDocument } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createRefusals } from './refusals.ts'
import type { SourceState } from './source-state.ts'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const unreachable = new SdError('SD_UNAVAILABLE', 'the key service is unreachable')
const malformed = new SdError('SD_MALFORMED', 'no mapping')

function start() {
  const [report, retry] = [vi.fn(), vi.fn()]
  const state = { feed: { name: 'center', latest: createConfigDocument('center', []) } } as unknown as SourceState
  const receive = (): void => void Object.assign(state.feed, { latest: createConfigDocument('center', []) })
  return { refusals: createRefusals(report, retry), report, retry, state, receive }
}

test('a refused document is reported once, and keeps the time of the first refusal', () => {
  const { refusals, report, state, receive } = start()
  const since = Date.now()
  for (let time = 0; time < 3; time++) {
    refusals.add(state, malformed)
    vi.advanceTimersByTime(1_000)
  }
  expect(report.mock.calls).toEqual([[{ kind: 'refused', source: 'center', error: malformed }]])
  receive()
  refusals.add(state, unreachable)
  expect(report).toHaveBeenCalledTimes(2)
  expect(state.refused).toEqual({ document: state.feed.latest, since, error: unreachable })
  refusals.close()
})

test('content that can become valid is tried again, later each time; other content is not', () => {
  const { refusals, retry, state } = start()
  refusals.add(state, malformed)
  expect(vi.getTimerCount()).toBe(0)
  const waits: number[] = []
  for (let time = 0; time < 8; time++) {
    const at = performance.now()
    refusals.add(state, unreachable)
    refusals.add(state, unreachable)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersToNextTimer()
    waits.push(performance.now() - at)
  }
  expect(retry).toHaveBeenCalledTimes(8)
  expect(waits).toEqual(waits.toSorted((a, b) => a - b))
  expect([waits[1] === waits[0], (waits.at(-1) as number) <= 30_000]).toEqual([false, true])
})

test('accepted content is reported once after a refusal, and the next wait is short again', () => {
  const { refusals, report, state } = start()
  refusals.remove(state)
  expect(report).not.toHaveBeenCalled()
  for (let time = 0; time < 10; time++) refusals.add(state, unreachable)
  refusals.remove(state)
  refusals.remove(state)
  expect(report.mock.calls.slice(1)).toEqual([[{ kind: 'recovered', source: 'center' }]])
  expect(state.refused).toBeUndefined()
  const at = performance.now()
  refusals.add(state, unreachable)
  vi.advanceTimersToNextTimer()
  expect(performance.now() - at).toBeLessThanOrEqual(1_000)
})

test('nothing is tried after close', () => {
  const { refusals, retry, state } = start()
  refusals.add(state, unreachable)
  refusals.close()
  vi.advanceTimersByTime(60_000)
  expect(retry).not.toHaveBeenCalled()
})

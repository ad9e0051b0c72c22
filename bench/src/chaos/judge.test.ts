import { expect, test } from 'vitest'
import { type ChaosCall, judge } from './judge.ts'
import type { Phase } from './timeline.ts'

const phases: readonly Phase[] = [
  { name: 'calm', from: 0, until: 10_000, blipMs: 0 },
  { name: 'kill -9', from: 10_000, until: 20_000, blipMs: 0 },
  { name: 'rolling restart', from: 20_000, until: 30_000, blipMs: 0 },
  { name: 'blip of 0.1 s', from: 30_000, until: 33_300, blipMs: 100 },
  { name: 'blip of 0.5 s', from: 33_300, until: 38_000, blipMs: 500 },
]

function callAt(at: number, failure?: string, { method = 'GET', tookMs = 20 } = {}): ChaosCall {
  return { method, at, endedAt: at + tookMs, lateMs: 1, latencyMs: failure === undefined ? tookMs : 2_000, failure }
}
const calm = Array.from({ length: 1_000 }, (_, index) => callAt(index * 10))

test('a call in progress when the next blip begins is attributed to that blip', () => {
  const calls = [...calm, callAt(30_020, '503'), callAt(33_290, '503'), callAt(33_700, '503')]
  expect(judge(calls, phases).blips).toEqual([
    { name: 'blip of 0.1 s', lastMs: 40, limitMs: 370, failed: 1 },
    { name: 'blip of 0.5 s', lastMs: 420, limitMs: 850, failed: 2 },
  ])
})

test('a failure after the limit is detected', () => {
  const [blip] = judge([...calm, callAt(31_000, 'SD_REJECTED', { tookMs: 1 })], phases).blips
  expect(blip).toEqual({ name: 'blip of 0.1 s', lastMs: 1_001, limitMs: 370, failed: 1 })
})

test('blips and POSTs killed with their instance are counted separately, and a failure has the latency of the deadline', () => {
  const result = judge(
    [
      ...calm,
      callAt(30_050, '503'),
      callAt(9_990, 'SD_UNAVAILABLE ECONNRESET', { method: 'POST' }),
      callAt(12_000, 'SD_TIMEOUT'),
      callAt(25_000, 'SD_TIMEOUT', { method: 'POST' }),
    ],
    phases,
  )
  expect(result).toMatchObject({ sent: 1_003, lost: { GET: 1, POST: 1 }, died: 1, restartLosses: 1 })
  expect(result.getLossShare).toBeCloseTo(1 / 1_001)
  expect(result.latenciesMs[2]).toBe(2_000)
  expect(result.calmMs[2]).toBe(20)
})

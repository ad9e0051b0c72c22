import { createSeededRandom } from '@sd/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDelayFunction, type RetryBackoff } from './backoff.ts'

const lowest = (): number => 0
const highest = (): number => 1 - Number.EPSILON

/** The first delays, each drawn from the previous one. */
function delays(backoff: RetryBackoff, random: () => number, count: number): number[] {
  const delayOf = createDelayFunction(backoff, random)
  const list: number[] = []
  for (let attempt = 1; attempt <= count; attempt++) list.push(delayOf({ attempt, previousDelayMs: list.at(-1) }))
  return list
}

describe('delays', () => {
  test.each<[string, RetryBackoff, number[], number[]]>([
    ['fixed', { kind: 'fixed', delayMs: 100 }, [80, 80, 80], [120, 120, 120]],
    ['fixed without jitter', { kind: 'fixed', delayMs: 100, jitter: 0 }, [100, 100, 100], [100, 100, 100]],
    ['none at all', { kind: 'fixed', delayMs: 0 }, [0, 0, 0], [0, 0, 0]],
    ['linear', { kind: 'linear', stepMs: 100, maxMs: 250, jitter: 0.1 }, [90, 180, 225], [110, 220, 275]],
    ['exponential', { kind: 'exponential', baseMs: 100, maxMs: 350 }, [1, 1, 1], [100, 200, 350]],
    ['slower exponential', { kind: 'exponential', baseMs: 100, factor: 1.5 }, [1, 1, 1], [100, 150, 225]],
    [
      'decorrelated',
      { kind: 'exponential', jitter: 'decorrelated', baseMs: 100, maxMs: 1_000 },
      [100, 100, 100],
      [300, 900, 1_000],
    ],
    ['own', ({ attempt, previousDelayMs = 0 }) => attempt * 10.4 + previousDelayMs, [10, 31, 62], [10, 31, 62]],
  ])('%s', (_, backoff, least, most) => {
    expect(delays(backoff, lowest, 3)).toEqual(least)
    expect(delays(backoff, highest, 3)).toEqual(most)
  })

  test('jitter stays between its bounds', () => {
    const draws = (draw: number) => delays({ kind: 'fixed', delayMs: 100, jitter: 0.5 }, () => draw, 1)
    expect([0, 0.25, 0.5, 0.75].map(draws)).toEqual([[50], [75], [100], [125]])
  })

  test('linear delays end at 5 s by default', () => {
    expect(delays({ kind: 'linear', stepMs: 2_000, jitter: 0 }, lowest, 4)).toEqual([2_000, 4_000, 5_000, 5_000])
  })

  test('a function may request no delay at all', () => {
    expect(delays(() => 0, lowest, 2)).toEqual([0, 0])
  })

  test('full jitter is uniform', () => {
    const random = createSeededRandom(4)
    const delayOf = createDelayFunction({ kind: 'exponential', baseMs: 1_000 }, random)
    const drawn = Array.from({ length: 10_000 }, () => delayOf({ attempt: 1, previousDelayMs: undefined }))
    const mean = drawn.reduce((sum, delay) => sum + delay, 0) / drawn.length
    expect(mean).toBeGreaterThan(480)
    expect(mean).toBeLessThan(520)
  })

  test('any jitter stays between its bounds', () => {
    const anyBase = fc.integer({ min: 1, max: 10_000 })
    const anyDraw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(anyBase, anyBase, fc.constantFrom('full', 'decorrelated'), anyDraw, (baseMs, maxMs, jitter, draw) => {
        for (const delay of delays({ kind: 'exponential', baseMs, maxMs, jitter }, () => draw, 10)) {
          expect(delay).toBeGreaterThanOrEqual(jitter === 'full' ? 1 : Math.min(baseMs, maxMs))
          expect(delay).toBeLessThanOrEqual(maxMs)
        }
      }),
      { seed: 3 },
    )
  })

  test('no delay exceeds the limit of a timer', () => {
    expect(delays({ kind: 'exponential', factor: 100, maxMs: 2_147_483_647 }, highest, 100).at(-1)).toBe(2_147_483_647)
    expect(delays(() => Number.MAX_VALUE, highest, 1)).toEqual([2_147_483_647])
    expect(delays({ kind: 'fixed', delayMs: 2_147_483_647 }, highest, 1)).toEqual([2_147_483_647])
  })

  test.each<[string, unknown]>([
    ['backoff', 5],
    ['backoff.kind', { kind: 'cubic' }],
    ['backoff.delayMs', { kind: 'fixed' }],
    ['backoff.maxMs', { kind: 'fixed', delayMs: 1, maxMs: 5 }],
    ['backoff.jitter', { kind: 'fixed', delayMs: 1, jitter: 2 }],
    ['backoff.stepMs', { kind: 'linear', stepMs: 0 }],
    ['backoff.baseMs', { kind: 'exponential', baseMs: 0 }],
    ['backoff.factor', { kind: 'exponential', factor: 0.5 }],
    ['backoff.jitter', { kind: 'exponential', jitter: 'equal' }],
  ])('%s is rejected: %j', (field, backoff) => {
    expect(() => createDelayFunction(backoff as RetryBackoff, lowest)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  })

  test.each([-1, Number.NaN, '5', undefined])('a function that returns %j is refused', (value) => {
    expect(() => delays(() => value as number, lowest, 1)).toThrow('Invalid backoff')
  })
})

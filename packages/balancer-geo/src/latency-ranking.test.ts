import { createTestView } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LatencyRanking, type LatencyRankingOptions } from './latency-ranking.ts'
import type { EndpointGroup } from './spill-over.ts'
import { createEndpoints } from './testing/endpoints.ts'

const still: LatencyRankingOptions = { hysteresis: 0.2, exploration: 0, random: undefined }

/** Virtual time, in milliseconds. */
let now = 1_000

beforeEach(() => {
  now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** Groups of one endpoint each, which has responded once, in that many milliseconds; with 0 it has not. */
function createGroups(latencies: Readonly<Record<string, number>>): readonly EndpointGroup[] {
  return Object.entries(latencies).map(([name, latencyMs]) => {
    const endpoints = createEndpoints([{}])
    if (latencyMs > 0) {
      endpoints[0]?.acquire()
      endpoints[0]?.release({ ok: true, latencyMs })
    }
    return { name, view: createTestView(endpoints) }
  })
}

/** The names in the order of a ranking. */
function namesOf(ranking: LatencyRanking, groups: readonly EndpointGroup[]): readonly (string | undefined)[] {
  return [...ranking.order()].map((index) => groups[index]?.name)
}

test('orders groups by latency, those without one at the end in the order of the list', () => {
  const groups = createGroups({ a: 30, b: 0, c: 10, d: 0, e: 20 })
  const ranking = new LatencyRanking(groups, undefined, still)
  expect(ranking.first).toBe('c')
  now += 500
  // Each group without a latency is tried once, before the others.
  expect(namesOf(ranking, groups)).toEqual(['b', 'c', 'e', 'a', 'd'])
  expect(namesOf(ranking, groups)).toEqual(['d', 'c', 'e', 'a', 'b'])
  expect(namesOf(ranking, groups)).toEqual(['c', 'e', 'a', 'b', 'd'])
})

test.each<[string, number, number, string]>([
  ['is faster by the share', 100, 80, 'new'],
  ['is faster by less than the share', 100, 81, 'old'],
  ['is faster by the share and a millisecond', 3, 2, 'new'],
  ['is faster by the share, but by less than a millisecond', 3, 2.1, 'old'],
  ['is slower', 50, 60, 'old'],
])('the first place changes only if another one is clearly faster: it %s', (_, oldMs, newMs, first) => {
  const before = new LatencyRanking(createGroups({ new: 1_000, old: 1 }), undefined, still)
  const groups = createGroups({ new: newMs, old: oldMs })
  const after = new LatencyRanking(groups, before, still)
  expect(after.first).toBe(first)
  expect(namesOf(after, groups)[0]).toBe(first)
})

test('a change of the list does not advance the next ranking', () => {
  const before = new LatencyRanking(createGroups({ a: 10, b: 0 }), undefined, still)
  before.order()
  now += 999
  const groups = createGroups({ a: 10, b: 0 })
  const after = new LatencyRanking(groups, before, still)
  expect(namesOf(after, groups)).toEqual(['a', 'b'])
  now += 1
  expect(namesOf(after, groups)).toEqual(['b', 'a'])
})

test.each<[number, readonly string[]]>([
  [0, ['b', 'a', 'c']],
  [0.19, ['b', 'a', 'c']],
  [0.2, ['c', 'a', 'b']],
  [0.39, ['c', 'a', 'b']],
  [0.4, ['a', 'b', 'c']],
  [0.9, ['a', 'b', 'c']],
])('a share of the requests goes to each of the others first: of 0.4 with the draw %d', (draw, wanted) => {
  const groups = createGroups({ a: 10, b: 20, c: 30 })
  const ranking = new LatencyRanking(groups, undefined, { ...still, exploration: 0.4, random: () => draw })
  expect(namesOf(ranking, groups)).toEqual(wanted)
})

import { type Balancer, isPickable, scanPickable } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import {
  assertDistribution,
  balancerContract,
  countPicks,
  createSeededRandom,
  createTestEndpoints,
  createTestView,
  within,
} from './index.ts'

const sound: Balancer = {
  name: 'sound',
  createPicker(view) {
    let next = 0
    return { pick: (request) => scanPickable(view, next++, request) }
  },
}

describe('a simple balancer meets the contract', () => {
  for (const { name, run } of balancerContract({ create: () => sound })) test(name, run)
})

describe('a broken balancer fails the case for its defect', () => {
  const pickers: Record<string, [string, Balancer['createPicker']]> = {
    'ignores attempted': [
      'attempted endpoints are not picked again, until none is left',
      (view) => sound.createPicker({ ...view }),
    ],
    'ignores weights': [
      'every endpoint of positive weight is reached, one of weight 0 never',
      ({ endpoints }) => ({ pick: () => endpoints[Math.floor(Math.random() * endpoints.length)] }),
    ],
    'always the first': [
      'all of a thousand endpoints are reached while requests start and end',
      (view) => ({ pick: () => view.endpoints[0] }),
    ],
    'keeps the old view': [
      'a new view takes effect: added endpoints are picked, removed ones are not',
      (view, previous) => previous ?? sound.createPicker(view),
    ],
    'ignores availability': [
      'an unavailable endpoint is skipped at once, and picked when available again',
      (view) => {
        let next = 0
        return { pick: () => view.endpoints[next++ % view.endpoints.length] }
      },
    ],
  }
  test.each(Object.entries(pickers))('%s', async (name, [caseName, createPicker]) => {
    const broken: Balancer = {
      name: 'broken',
      createPicker(view, previous) {
        if (name !== 'ignores attempted') return createPicker(view, previous)
        return { pick: () => view.endpoints.find((_, index) => isPickable(view, index, {})) }
      },
    }
    const found = balancerContract({ create: () => broken }).find((one) => one.name === caseName)
    await expect(found?.run()).rejects.toMatchObject({ name: 'AssertionError' })
  })
})

describe('distributions', () => {
  test('that follow the weights pass, and others fail', () => {
    const endpoints = createTestEndpoints([1, 3, 0])
    const view = createTestView(endpoints)
    const random = createSeededRandom(1)
    const counts = countPicks({ pick: () => endpoints[random() < 0.25 ? 0 : 1] }, 10_000)
    assertDistribution(counts, endpoints, [1, 3, 0])
    expect(() => assertDistribution(counts, endpoints, [1, 2, 0])).toThrow(/chi-square \d+\.\d is over/)
    expect(() => assertDistribution(counts, endpoints, [0, 1, 0])).toThrow('has weight 0')
    expect(() => assertDistribution(new Map(), endpoints, [1, 1, 1])).toThrow()
    expect(view.weights).toHaveLength(3)
    assertDistribution(new Map([[endpoints[0]?.key ?? '', 10]]), endpoints.slice(0, 1), [1])
  })

  test('the seeded random is reproducible and uniform', () => {
    const [one, same, other] = [createSeededRandom(7), createSeededRandom(7), createSeededRandom(8)]
    const draws = Array.from({ length: 10_000 }, one)
    expect(Array.from({ length: 10_000 }, same)).toEqual(draws)
    expect(other()).not.toBe(draws[0])
    expect(draws.reduce((sum, draw) => sum + draw, 0) / draws.length).toBeCloseTo(0.5, 1)
  })

  test('within rejects a promise that does not settle in time', async () => {
    vi.useFakeTimers()
    const failed = expect(within(new Promise(() => undefined), 10, 'it')).rejects.toThrow('it did not settle within 10 ms')
    await vi.advanceTimersByTimeAsync(10)
    await failed
    vi.useRealTimers()
  })
})

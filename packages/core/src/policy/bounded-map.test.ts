import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BoundedMap } from './bounded-map.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('the least recently used entry is evicted first', () => {
  const map = new BoundedMap<string, number>({ maxEntries: 2 })
  map.set('a', 1)
  map.set('b', 2)
  map.get('a')
  map.set('c', 3)
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2])
})

test('unused entries are evicted, also when another one is added', () => {
  const map = new BoundedMap<string, number>({ maxEntries: 10, idleMs: 100 })
  map.set('a', 1)
  map.set('b', 2)
  vi.advanceTimersByTime(60)
  map.get('b')
  vi.advanceTimersByTime(60)
  expect(map.get('a')).toBeUndefined()
  expect(map.get('b')).toBe(2)
  vi.advanceTimersByTime(101)
  map.set('c', 3)
  expect(map.size).toBe(1)
})

test('it behaves like a plain list, and never exceeds its limits', () => {
  const key = fc.nat(6)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.nat(5) }),
    fc.record({ kind: fc.constant('get' as const), key }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.record({ kind: fc.constant('wait' as const), key: fc.nat(30) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const map = new BoundedMap<number, number>({ maxEntries: 3, maxWeight: 8, weigh: (_, value) => value, idleMs: 50 })
      let model: { key: number; value: number; usedAt: number }[] = []
      const take = (wanted: number) => {
        const found = model.find(({ key }) => key === wanted)
        model = model.filter((one) => one !== found)
        return found
      }
      for (const one of steps) {
        const now = performance.now()
        if (one.kind === 'wait') vi.advanceTimersByTime(one.key)
        else if (one.kind === 'delete') expect(map.delete(one.key)).toBe(take(one.key) !== undefined)
        else if (one.kind === 'get') {
          const found = take(one.key)
          const isFresh = found && now - found.usedAt <= 50
          if (isFresh) model.push({ ...found, usedAt: now })
          expect(map.get(one.key)).toBe(isFresh ? found.value : undefined)
        } else {
          take(one.key)
          model.push({ key: one.key, value: one.value, usedAt: now })
          const weight = (): number => model.reduce((sum, { value }) => sum + value, 0)
          while (model.length > 3 || weight() > 8 || (model[0] && now - model[0].usedAt > 50)) model.shift()
          map.set(one.key, one.value)
        }
        expect(map.size).toBe(model.length)
      }
    }),
  )
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RetiredSets, Usage } from './service-usage.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function create() {
  const closed: string[] = []
  const sets = new RetiredSets<string>((value, later) => closed.push(`${value} before ${later.join() || 'none'}`))
  const retire = (name: string, calls: number): Usage => {
    const usage = new Usage()
    for (let call = 0; call < calls; call++) usage.enter()
    sets.add(usage, name)
    return usage
  }
  return { closed, sets, retire }
}

test('a replaced set is closed at once without calls, otherwise after its last one', () => {
  const { closed, sets, retire } = create()
  retire('a', 0)
  expect([closed, sets.size]).toEqual([['a before none'], 0])
  const usage = retire('b', 2)
  usage.leave()
  expect([closed.length, sets.size]).toEqual([1, 1])
  usage.leave()
  expect([closed, sets.size]).toEqual([['a before none', 'b before none'], 0])
})

test('a set is closed after those before it, and gets the later ones, whose parts it may share', () => {
  const { closed, retire } = create()
  const first = retire('a', 1)
  const second = retire('b', 1)
  retire('c', 0)
  second.leave()
  expect(closed).toEqual([])
  first.leave()
  expect(closed).toEqual(['a before b,c', 'b before c', 'c before none'])
})

test('sets that were replaced before a time are closed even with calls', () => {
  const { closed, sets, retire } = create()
  retire('a', 1)
  vi.advanceTimersByTime(1_000)
  const now = performance.now()
  retire('b', 1)
  sets.closeBefore(now)
  expect(closed).toEqual(['a before b'])
  sets.closeBefore(now + 1)
  expect(closed).toEqual(['a before b', 'b before none'])
})

test('of more than a hundred the oldest is closed', () => {
  const { closed, sets, retire } = create()
  for (let index = 0; index < 100; index++) retire(`${index}`, 1)
  expect([closed.length, sets.size]).toEqual([0, 100])
  retire('one more', 1)
  expect([closed.map((text) => text.split(' ')[0]), sets.size]).toEqual([['0'], 100])
})

import { expect, test } from 'vitest'
import { createNotifier } from './notifier.ts'

test('a listener that causes an event does not reorder events for the others', () => {
  const seen: string[] = []
  const notifier = createNotifier<[number]>((event) => seen.push(`after ${event}`))
  notifier.add((event) => {
    seen.push(`first ${event}`)
    if (event === 1) {
      notifier.queue(2)
      notifier.deliver()
    }
  })
  notifier.add((event) => seen.push(`second ${event}`))

  notifier.queue(1)
  expect(seen).toEqual([])
  notifier.deliver()

  expect(seen).toEqual(['first 1', 'second 1', 'after 1', 'first 2', 'second 2', 'after 2'])
})

test('a removed listener misses the current event, and an added one receives only the next', () => {
  const seen: string[] = []
  const notifier = createNotifier<[number]>()
  notifier.add((event) => {
    if (event !== 1) return
    removeSecond()
    notifier.add((later) => seen.push(`third ${later}`))
  })
  const removeSecond = notifier.add((event) => seen.push(`second ${event}`))

  notifier.queue(1)
  notifier.queue(2)
  notifier.deliver()

  expect(seen).toEqual(['third 2'])
})

test('each subscription of one function ends separately', () => {
  let calls = 0
  const count = (): void => void calls++
  const notifier = createNotifier()
  const remove = notifier.add(count)
  notifier.add(count)
  remove()

  notifier.queue()
  notifier.deliver()

  expect(calls).toBe(1)
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Due, DueQueue } from './due-queue.ts'

class Item implements Due {
  previous: Due | undefined
  next: Due | undefined
  readonly dueAt: number
  /** Time at which it was due, by `performance.now()`. */
  seenAt: number | undefined

  constructor(inMs: number) {
    this.dueAt = performance.now() + inMs
  }

  onDue(): void {
    this.seenAt = performance.now()
  }
}

describe('a queue of due items', () => {
  let queue: DueQueue
  beforeEach(() => {
    vi.useFakeTimers()
    queue = new DueQueue()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  function add(inMs: number): Item {
    const item = new Item(inMs)
    expect(queue.add(item)).toBe(true)
    return item
  }

  test('has one timer, and each item is due at its time', () => {
    const items = [add(100), add(100), add(250)]
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(98)
    expect(items.map(({ seenAt }) => seenAt)).toEqual([undefined, undefined, undefined])
    vi.advanceTimersByTime(4)
    expect(items.map(({ seenAt }) => seenAt !== undefined)).toEqual([true, true, false])
    vi.advanceTimersByTime(150)
    expect(items[2]?.seenAt).toBeDefined()
  })

  test('does not take an item that is due before the last one', () => {
    const item = add(100)
    expect(queue.add(new Item(50))).toBe(false)
    queue.delete(item)
    queue.delete(add(50))
  })

  test('removes items at either end and in the middle', () => {
    const items = [100, 110, 120, 130, 140].map(add)
    for (const index of [0, 2, 4]) queue.delete(items[index] as Item)
    vi.advanceTimersByTime(200)
    expect(items.map(({ seenAt }) => seenAt !== undefined)).toEqual([false, true, false, true, false])
  })

  test('accepts and removes items while another one is due', () => {
    const other = new Item(100)
    const first = new Item(100)
    let added: Item | undefined
    first.onDue = () => {
      added = add(100)
    }
    for (const item of [first, other]) queue.add(item)
    vi.advanceTimersByTime(101)
    expect(other.seenAt).toBeDefined()
    expect(added?.seenAt).toBeUndefined()
    vi.advanceTimersByTime(101)
    expect(added?.seenAt).toBeDefined()
  })

  test('waits for longer than a timer can', () => {
    const item = add(3_000_000_000)
    vi.advanceTimersByTime(2_999_999_990)
    expect(item.seenAt).toBeUndefined()
    vi.advanceTimersByTime(20)
    expect(item.seenAt).toBeDefined()
  })

  test('after a stall of this process, items are due only after pending input was read', () => {
    const item = add(100)
    const now = performance.now()
    vi.spyOn(performance, 'now').mockReturnValue(now + 500)
    vi.advanceTimersToNextTimer()
    expect(item.seenAt).toBeUndefined()
    vi.runAllTimers()
    expect(item.seenAt).toBe(now + 500)
    vi.mocked(performance.now).mockRestore()
  })
})

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Linked, LinkedList } from './linked-list.ts'

class Item implements Linked<Item> {
  previous: Item | undefined
  next: Item | undefined
  readonly load: readonly number[]

  constructor(size: number = 0) {
    this.load = Array.from({ length: size }, (_, index) => index)
  }
}

describe('a linked list', () => {
  test('has the same items in the same order as a Set, whatever is added and removed', () => {
    const steps = fc.array(fc.record({ at: fc.nat({ max: 7 }), isAdded: fc.boolean() }), { maxLength: 100 })
    fc.assert(
      fc.property(steps, (given) => {
        const items = Array.from({ length: 8 }, () => new Item())
        const list = new LinkedList<Item>()
        const expected = new Set<Item>()
        for (const { at, isAdded } of given) {
          const item = items[at] as Item
          if (isAdded && !expected.has(item)) {
            list.add(item)
            expected.add(item)
          } else {
            // Removing an item that is not in the list has no effect.
            list.delete(item)
            expected.delete(item)
            expect(item.previous ?? item.next).toBeUndefined()
          }
          expect(list.size).toBe(expected.size)
          expect(list.toArray().map((one) => items.indexOf(one))).toEqual([...expected].map((one) => items.indexOf(one)))
        }
      }),
    )
  })

  test('does not keep former items alive in minor garbage collections, although the list itself is old', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void
    const list = new LinkedList<Item>()
    const turnOver = (): void => {
      const open = Array.from({ length: 20 }, () => new Item(100))
      for (const item of open) list.add(item)
      for (const item of open) list.delete(item)
    }
    turnOver()
    collect()
    const before = process.memoryUsage().heapUsed
    for (let round = 0; round < 200; round++) {
      turnOver()
      collect({ type: 'minor' })
    }
    // About 4 MB were allocated; with a Set nearly all of it stays.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1_000_000)
  })
})

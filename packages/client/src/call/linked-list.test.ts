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
  test('holds what a Set does, in the same order, whatever comes and goes', () => {
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
            // What is not there changes nothing.
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

  test('lets collections of young objects free what was in it, though it is old itself', () => {
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
    // Some 4 MB were made; of a Set nearly all of it is left.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1_000_000)
  })
})

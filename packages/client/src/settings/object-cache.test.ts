import { expect, test, vi } from 'vitest'
import { createObjectCache } from './object-cache.ts'

function create() {
  const cache = createObjectCache()
  const make = vi.fn((data: unknown) => ({ data, close: vi.fn(async () => undefined) }))
  const read = (...given: readonly object[]) => cache.transact(() => given.map((data) => cache.reuse('limit', data, make)))
  return { cache, make, read }
}

test('the same data gives the same object, in whatever order its fields come, at every depth', () => {
  const { read, make } = create()
  const [one] = read({ a: 1, b: { c: [1, 2], d: 2 } })
  const [same, list, other] = read({ b: { d: 2, c: [1, 2] }, a: 1 }, { b: { d: 2, c: [2, 1] }, a: 1 }, { a: 2 })
  expect([same === one, list === one, other === one, make.mock.calls.length]).toEqual([true, false, false, 3])
})

test('another kind with the same data is another object', () => {
  const { cache, make } = create()
  const [one, other] = cache.transact(() => [cache.reuse('a', {}, make), cache.reuse('b', {}, make)])
  expect(one).not.toBe(other)
})

test('a reading that fails changes nothing', () => {
  const { cache, read, make } = create()
  const [one] = read({ a: 1 })
  expect(() =>
    cache.transact(() => {
      cache.reuse('limit', { a: 2 }, make)
      throw new Error('bad field')
    }),
  ).toThrow('bad field')
  expect(read({ a: 1 })[0]).toBe(one)
})

test('what is not used any more is forgotten, and closed with the cache or when a hundred others follow', async () => {
  const { cache, read } = create()
  const [one] = read({ a: 0 })
  for (let index = 1; index <= 100; index++) read({ a: index })
  expect(one?.close).not.toHaveBeenCalled()
  const [last] = read({ a: 101 })
  expect(one?.close).toHaveBeenCalledOnce()
  const [again] = read({ a: 0 }, { a: 101 })
  expect(again).not.toBe(one)
  expect(last?.close).not.toHaveBeenCalled()
  await cache.close()
  expect([last?.close.mock.calls.length, again?.close.mock.calls.length, one?.close.mock.calls.length]).toEqual([1, 1, 1])
  await cache.close()
  expect(last?.close).toHaveBeenCalledOnce()
})

test('closing waits for all, and leaves what can not be closed', async () => {
  const cache = createObjectCache()
  const closed = Promise.withResolvers<undefined>()
  cache.transact(() => [
    cache.reuse('a', {}, () => ({ close: () => closed.promise })),
    cache.reuse('b', {}, () => () => 1),
    cache.reuse('c', {}, () => ({ close: 'never' })),
  ])
  let isClosed = false
  const closing = cache.close().then(() => {
    isClosed = true
  })
  await Promise.resolve()
  expect(isClosed).toBe(false)
  closed.resolve(undefined)
  await closing
})

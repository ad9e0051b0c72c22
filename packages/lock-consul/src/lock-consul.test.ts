import { describe, expect, test } from 'vitest'
import { createConsulLock } from './index.ts'
import { createLocalQueue } from './local-queue.ts'
import { resolveConsulLockOptions } from './options.ts'

const never = new AbortController().signal

describe('the local queue', () => {
  test('admits one caller at a time, in order, and drops a key without callers', async () => {
    const queue = createLocalQueue()
    const leave = await queue.enter('a', never)
    expect([queue.isBusy('a'), queue.isBusy('b')]).toEqual([true, false])
    const order: number[] = []
    const entering = [1, 2].map(async (index) => {
      const leaveThen = await queue.enter('a', never)
      order.push(index)
      return leaveThen
    })
    leave()
    leave()
    const next = await entering[0]
    expect(order).toEqual([1])
    next?.()
    ;(await entering[1])?.()
    expect([order, queue.isBusy('a')]).toEqual([[1, 2], false])
  })

  test('can be left while waiting', async () => {
    const queue = createLocalQueue()
    const leave = await queue.enter('a', never)
    const controller = new AbortController()
    const waiting = queue.enter('a', controller.signal)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await expect(queue.enter('a', AbortSignal.abort())).rejects.toMatchObject({ code: 'SD_ABORTED' })
    leave()
    expect(queue.isBusy('a')).toBe(false)
    ;(await queue.enter('a', never))()
  })
})

describe('options', () => {
  test('have defaults', () => {
    expect(resolveConsulLockOptions({})).toMatchObject({ prefix: 'sd/locks', ttlMs: 15_000, lockDelayMs: 0, name: 'consul' })
  })

  test.each([
    ['prefix', { prefix: '/a' }],
    ['prefix', { prefix: 'a/' }],
    ['ttlMs', { ttlMs: 10 }],
    ['lockDelayMs', { lockDelayMs: 60_001 }],
    ['servers', { servers: [] }],
    ['host', { host: 'a' }],
  ])('an invalid %s is refused', (field, options) => {
    const open = (): unknown => createConsulLock(options as never)
    expect(open).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })
})

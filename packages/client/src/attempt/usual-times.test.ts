import type { CallContext } from '@sd/core'
import { expect, test } from 'vitest'
import { createUsualTimes } from './usual-times.ts'

const call = (method: string, path: string): CallContext => ({ service: 'orders', method, path }) as unknown as CallContext
const list = call('GET', '/orders')

test('the usual time of a kind begins with its first response, and is unknown before', () => {
  const times = createUsualTimes()
  expect(times.of(list)).toBeUndefined()
  times.learn(list, 40, 0)
  expect([times.of(list), times.of(call('POST', '/orders'))]).toEqual([40, undefined])
})

test('it moves a quarter of the way up and a sixteenth down', () => {
  const times = createUsualTimes()
  times.learn(list, 40, 0)
  times.learn(list, 80, 1)
  expect(times.of(list)).toBe(50)
  times.learn(list, 34, 2)
  expect(times.of(list)).toBe(49)
  times.learn(list, 49, 3)
  expect(times.of(list)).toBe(49)
})

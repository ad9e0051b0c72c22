import { expect, test } from 'vitest'
import { ConnectionCounts } from './connection-counts.ts'

test('a connection over the total is not counted', () => {
  const counts = new ConnectionCounts()
  expect([counts.add(2), counts.add(2), counts.add(2)]).toEqual([true, true, false])
  expect(counts.total).toBe(2)
  counts.remove()
  expect(counts.add(2)).toBe(true)
})

test('addresses of one IPv6 network share a limit, and others have their own', () => {
  const counts = new ConnectionCounts()
  const leave = counts.addClient('2001:db8::1', 1)
  expect(leave).toBeTypeOf('function')
  expect(counts.addClient('2001:db8::ffff', 1)).toBeUndefined()
  expect(counts.addClient('2001:db8:0:1::1', 1)).toBeTypeOf('function')
  expect(counts.addClient('192.0.2.1', 1)).toBeTypeOf('function')
  leave?.()
  expect(counts.addClient('2001:db8::ffff', 1)).toBeTypeOf('function')
})

test('each of several connections of a client leaves once', () => {
  const counts = new ConnectionCounts()
  const first = counts.addClient('192.0.2.1', 2)
  counts.addClient('192.0.2.1', 2)
  first?.()
  expect(counts.addClient('192.0.2.1', 2)).toBeTypeOf('function')
  expect(counts.addClient('192.0.2.1', 2)).toBeUndefined()
})

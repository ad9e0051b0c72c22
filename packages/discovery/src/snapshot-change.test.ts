import { createServiceInstance, createSnapshot } from '@sd/core'
import { expect, test } from 'vitest'
import { isEmptyChange, withStale } from './snapshot-change.ts'

const instance = createServiceInstance({ service: 'orders', id: 'a', address: '10.0.0.1', port: 80 })

test('withStale returns the same snapshot if the flag does not change', () => {
  const snapshot = createSnapshot({ service: 'orders', instances: [instance] })
  expect(withStale(snapshot, false)).toBe(snapshot)
  expect(withStale(snapshot, true)).toEqual({ ...snapshot, stale: true })
})

test('a change is empty without added, updated and removed instances', () => {
  const empty = { added: [], updated: [], removed: [] }
  expect(isEmptyChange(empty)).toBe(true)
  for (const part of ['added', 'updated', 'removed']) expect(isEmptyChange({ ...empty, [part]: [instance] })).toBe(false)
})

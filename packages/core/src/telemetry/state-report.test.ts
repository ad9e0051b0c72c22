import { expect, test } from 'vitest'
import { collectStates, reportStates, type StateReport } from './state-report.ts'

const registry = { kind: 'backend', backend: 'memory', state: 'connected' } as const
const config = {
  kind: 'config',
  config: 'orders',
  version: 3,
  updatedAt: 1,
  staleSources: ['etcd'],
  refusedSources: [],
  degradedForMs: 5,
} as const
const budget = { kind: 'retry-budget', service: 'orders', available: 3 } as const

test('every live component reports its state to a late subscriber', () => {
  expect(collectStates()).toEqual([])
  const ends = [reportStates(() => [registry, config]), reportStates(() => [budget])]
  expect(collectStates()).toEqual([registry, config, budget])
  ends[0]?.()
  expect(collectStates()).toEqual([budget])
  ends[1]?.()
  expect(collectStates()).toEqual([])
})

test('a failing report affects neither the process nor other reports', () => {
  function* fail(): Iterable<StateReport> {
    yield registry
    throw new Error('bug')
  }
  const ends = [reportStates(fail), reportStates(() => [budget])]
  expect(collectStates()).toEqual([registry, budget])
  for (const end of ends) end()
})

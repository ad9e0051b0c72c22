import { createBulkhead } from '@sd/concurrency-limit'
import { collectStates } from '@sd/core'
import { expect, test } from 'vitest'
import { createServerLimits } from './index.ts'

test.each<[string, object]>([
  ['name', { name: 'ü' }],
  ['name', { name: '' }],
  ['limit', { limit: 1 }],
  ['rate', { rate: 5 }],
  ['rate.limiter', { rate: {} }],
  ['rate.limiter.acquire', { rate: { limiter: {} } }],
  ['rate.key', { rate: { limiter: { acquire() {} }, key: 'address' } }],
  ['rate.cost', { rate: { limiter: { acquire() {} }, cost: 1 } }],
  ['rate.windowMs', { rate: { limiter: { acquire() {} }, windowMs: 1 } }],
  ['concurrency', { concurrency: 10 }],
  ['concurrency.tryAcquire', { concurrency: {} }],
  ['streams.tryAcquire', { streams: {} }],
  ['trusted', { trusted: 'yes' }],
  ['deadlineFloorMs', { deadlineFloorMs: -1 }],
  ['timeoutMs', { timeoutMs: 0.5 }],
  ['priority', { priority: 'batch' }],
  ['healthPaths', { healthPaths: '/health' }],
  ['healthPaths[1]', { healthPaths: ['/health', 'ready'] }],
  ['exempt', { exempt: '/metrics' }],
  ['retryAfterMs', { retryAfterMs: -1 }],
  ['bodyIdleTimeoutMs', { bodyIdleTimeoutMs: 0 }],
  ['onError', { onError: true }],
  ['random', { random: 0.5 }],
])('a bad %s is refused', (field, options) => {
  expect(() => createServerLimits(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

test.each([undefined, null, 1, []])('%j is rejected, but options may be omitted', (options) => {
  if (options === undefined) createServerLimits(options).close()
  else
    expect(() => createServerLimits(options as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'options' }))
})

test('handlers must be functions', () => {
  const limits = createServerLimits()
  for (const wrap of [limits.handler, limits.checkContinue, limits.upgradeListener]) {
    expect(() => (wrap as (value: unknown) => unknown)(undefined)).toThrow(expect.objectContaining({ code: 'SD_INVALID' }))
  }
  limits.close()
})

test('reports its places until it is closed', () => {
  const limits = createServerLimits({
    name: 'orders',
    concurrency: createBulkhead({ maxConcurrent: 3 }),
    streams: createBulkhead({ maxConcurrent: 4, name: 'streams' }),
  })
  const own = () => collectStates().filter((state) => state.kind === 'limit' && state.service === 'orders')
  expect(own()).toEqual([
    { kind: 'limit', limit: 'bulkhead', service: 'orders', max: 3, active: 0, waiting: 0 },
    { kind: 'limit', limit: 'streams', service: 'orders', max: 4, active: 0, waiting: 0 },
  ])
  limits.close()
  limits.close()
  expect(own()).toEqual([])
})

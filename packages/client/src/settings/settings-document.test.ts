import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { checkInteger, checkKnownKeys, type EndpointMonitor } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSettingsReader, type SettingsParts } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

/** Checks its options as those of `@sd/outlier-detection` do. */
function createOutlierDetection(options: { consecutive5xx?: number; baseEjectionMs?: number }): EndpointMonitor {
  checkKnownKeys('', options, ['consecutive5xx', 'baseEjectionMs'])
  checkInteger('consecutive5xx', options.consecutive5xx ?? 5, { min: 1, max: 100 })
  return { name: 'outlier-detection', attach: () => ({ close() {} }) }
}

const parts: SettingsParts = {
  balancers: { random: createRandomBalancer, 'round-robin': createRoundRobinBalancer },
  breaker: createOpossumBreaker,
  retry: createRetryPolicy,
  hedge: createHedgePolicy,
  concurrencyLimits: { adaptive: createAdaptiveLimit, bulkhead: createBulkhead },
  rateLimiter: createMemoryRateLimiter,
  outlierDetection: createOutlierDetection,
}
let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

const whole = {
  balancer: 'random',
  timeoutMs: 2_000,
  attemptTimeoutMs: { minMs: 100 },
  headers: { 'x-app': 'shop' },
  retry: { maxAttempts: 2, backoff: { kind: 'fixed', delayMs: 1 } },
  retryBudget: { ratio: 0.5 },
  breaker: { window: { kind: 'count', size: 4 }, openMs: 60_000 },
  instanceBreaker: false,
  concurrencyLimit: { kind: 'bulkhead', maxConcurrent: 10 },
  services: {
    prices: {
      breaker: { failureRate: 1 },
      rateLimit: { limit: 2, windowMs: 60_000 },
      fallback: { kind: 'response', response: { body: 'none' } },
      operations: { 'POST /reports': { timeoutMs: 60_000, retry: null, breaker: { openMs: 1_000 }, attemptTimeoutMs: false } },
    },
  },
  discovery: {
    panicThreshold: 0.4,
    outlierDetection: { consecutive5xx: 3 },
    services: { prices: { outlierDetection: { baseEjectionMs: 5_000 } } },
  },
}

test('a document makes settings that client and discovery take, and a service keeps what it does not say', async () => {
  const reader = createSettingsReader(parts)
  const { client: settings, discovery } = reader.read(JSON.parse(JSON.stringify(whole)))
  await world.serve((_, response) => response.writeHead(500).end('sorry'))
  const client = world.client()
  client.configure(settings)
  for (let call = 0; call < 4; call++)
    await client.get('orders', '/').then(
      (response) => response.text(),
      () => undefined,
    )
  expect(client.explain('orders')).toMatchObject({
    balancer: 'random',
    policies: [{ kind: 'breaker', state: 'open' }, { kind: 'limit', max: 10 }, {}],
  })
  expect(client.explain('prices').operations).toEqual(['POST /reports'])
  expect(await (await client.get('prices', '/')).text()).toBe('none')
  expect(discovery).toMatchObject({ panicThreshold: 0.4, monitors: [{}], services: { prices: { monitors: [{}] } } })
  expect(discovery.services?.['prices']?.monitors).not.toBe(discovery.monitors)
  await reader.close()
})

test('what is made of the same data is the same, whatever else changes and in whatever order its fields come', () => {
  const reader = createSettingsReader(parts)
  const before = reader.read(whole).client
  const { breaker, ...others } = whole
  const after = reader.read({
    ...others,
    timeoutMs: 3_000,
    breaker: { openMs: 60_000, window: { size: 4, kind: 'count' } },
  }).client
  for (const key of ['breaker', 'retry', 'retryBudget', 'concurrencyLimit', 'balancer', 'attemptTimeoutMs'] as const) {
    expect([key, after[key] === before[key]]).toEqual([key, true])
  }
  expect(after.services?.['prices']).toMatchObject({ rateLimit: before.services?.['prices']?.rateLimit, timeoutMs: 3_000 })
  expect(() => reader.read({ ...whole, retry: { maxAttempts: 0 } })).toThrow('retry.maxAttempts')
  expect(reader.read({ ...whole, retry: { maxAttempts: 5 } }).client).toMatchObject({ breaker: before.breaker })
  expect(reader.read(whole).client.retry).not.toBe(before.retry)
})

test('resilient: true has the numbers of resilient(), for the parts that there are', () => {
  const { client, discovery } = createSettingsReader(parts).read({
    resilient: true,
    hedge: false,
    services: { prices: { breaker: false } },
  })
  const isMade = { breaker: expect.any(Function), instanceBreaker: expect.any(Function), retry: expect.any(Function) }
  expect(client).toMatchObject({
    ...isMade,
    hedge: false,
    concurrencyLimit: expect.any(Function),
    attemptTimeoutMs: expect.any(Function),
  })
  expect(client.services?.['prices']).toMatchObject({ ...isMade, breaker: false, hedge: false })
  expect(discovery.monitors).toHaveLength(1)
  const bare = createSettingsReader().read({ services: { prices: { resilient: true } } })
  expect(bare.client.services?.['prices']).toMatchObject({ attemptTimeoutMs: expect.any(Function) })
  expect(bare.discovery.monitors).toBeUndefined()
})

describe('an error names the place', () => {
  test.each<[string, object]>([
    ['timeout', { timeout: 5 }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['services.orders.timeoutMs', { services: { orders: { timeoutMs: '5' } } }],
    ['services.orders.retry.maxAttempts', { services: { orders: { retry: { maxAttempts: 0 } } } }],
    ['services.orders.retry.backoff.kind', { services: { orders: { retry: { backoff: { kind: 'slow' } } } } }],
    ['services.orders.breaker.opens', { services: { orders: { breaker: { opens: 1 } } } }],
    ['services.orders.breaker.openMs', { breaker: { failureRate: 1 }, services: { orders: { breaker: { openMs: 0 } } } }],
    ['services.orders.retryBudget.ratio', { services: { orders: { retryBudget: { ratio: -1 } } } }],
    [
      'services.orders.operations[GET /a].breaker.openMs',
      { services: { orders: { operations: { 'GET /a': { breaker: { openMs: 0 } } } } } },
    ],
    [
      'services.orders.operations[GET /a].balancer',
      { services: { orders: { operations: { 'GET /a': { balancer: 'random' } } } } },
    ],
    ['services.orders.operations', { services: { orders: { operations: { 'GET a': {} } } } }],
    ['balancer', { balancer: 'fastest' }],
    ['concurrencyLimit.kind', { concurrencyLimit: { maxConcurrent: 1 } }],
    ['concurrencyLimit.maxConcurrent', { concurrencyLimit: { kind: 'bulkhead', maxConcurrent: 0 } }],
    ['rateLimit.limit', { rateLimit: { limit: 0, windowMs: 1 } }],
    ['rateLimit.wait', { rateLimit: { limit: 1, windowMs: 1, wait: 'yes' } }],
    ['fallback.kind', { fallback: { kind: 'function' } }],
    ['fallback.maxBytes', { fallback: { kind: 'last-success', maxBytes: 0 } }],
    ['attemptTimeoutMs.minMs', { attemptTimeoutMs: { minMs: 0 } }],
    ['resilient', { resilient: 'yes' }],
    ['discovery.panic', { discovery: { panic: 1 } }],
    ['discovery.panicThreshold', { discovery: { panicThreshold: 2 } }],
    ['discovery.outlierDetection.consecutive5xx', { discovery: { outlierDetection: { consecutive5xx: 0 } } }],
    ['discovery.services.orders.subset.size', { discovery: { services: { orders: { subset: { size: 0 } } } } }],
  ])('%s', (field, document) => {
    const client = world.client()
    const apply = (): void => client.configure(createSettingsReader(parts).read(document).client)
    expect(apply).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('a policy for which there is no part', () => {
    expect(() => createSettingsReader().read({ retry: {} })).toThrow(expect.objectContaining({ field: 'retry' }))
    expect(() => createSettingsReader({ retry: 1 as never })).toThrow('Invalid retry')
    expect(() => createSettingsReader({ balancers: { a: 1 as never } })).toThrow('Invalid balancers.a')
  })
})

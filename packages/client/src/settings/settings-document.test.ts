import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { checkInteger, checkKnownKeys, createRetryBudget, type EndpointMonitor } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSettingsReader, type SettingsParts } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

/** Validates its options as `@sd/outlier-detection` does. */
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

test('a document becomes settings for the client and discovery, and a service inherits omitted settings', async () => {
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

test('the same data yields the same object, whatever else changes, and in any order of fields', () => {
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

test('resilient: true selects the numbers of resilient(), for the available parts', () => {
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

describe('an error names the path', () => {
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
    ['discovery.subset.clientId', { discovery: { subset: { size: 1, clientId: '' } } }],
    ['discovery.subset.count', { discovery: { subset: { size: 1, count: 1 } } }],
    ['discovery.coalesceMs', { discovery: { coalesceMs: -1 } }],
    ['discovery.slowStartMs', { discovery: { slowStartMs: '5s' } }],
    ['discovery.slowStartAggression', { discovery: { slowStartAggression: 0 } }],
    ['discovery.declaredChecks', { discovery: { declaredChecks: 1 } }],
    ['discovery.maxServices', { discovery: { maxServices: 0 } }],
    ['discovery.services.orders.panicThreshold', { discovery: { services: { orders: { panicThreshold: 1 } } } }],
    ['discovery.services.orders', { discovery: { services: { orders: 1 } } }],
    ['discovery.outlierDetection', { discovery: { outlierDetection: 'yes' } }],
    ['balancer.kind', { balancer: { kind: 'fastest' } }],
    ['services', { services: 1 }],
    ['services.orders', { services: { orders: [] } }],
    ['retry', { retry: 'yes' }],
    ['retryBudget', { retryBudget: 1 }],
    ['fallback', { fallback: 'response' }],
    ['concurrencyLimit', { concurrencyLimit: 1 }],
    ['rateLimit', { rateLimit: 1 }],
    ['services.orders.resilient', { services: { orders: { resilient: 1 } } }],
    [
      'services.orders.operations[GET /a].retryBudget',
      { services: { orders: { operations: { 'GET /a': { retryBudget: {} } } } } },
    ],
  ])('%s', (field, document) => {
    const client = world.client()
    const apply = (): void => client.configure(createSettingsReader(parts).read(document).client)
    expect(apply).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('a policy without its part', () => {
    expect(() => createSettingsReader().read({ retry: {} })).toThrow(expect.objectContaining({ field: 'retry' }))
    expect(() => createSettingsReader({ retry: 1 as never })).toThrow('Invalid retry')
    expect(() => createSettingsReader({ balancers: { a: 1 as never } })).toThrow('Invalid balancers.a')
  })

  test.each(['retry', 'hedge', 'breaker', 'instanceBreaker', 'rateLimit'])('%s without a part for it', (name) => {
    const read = (): unknown => createSettingsReader().read({ [name]: { limit: 1, windowMs: 1 } })
    expect(read).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: name }))
    expect(read).toThrow(/pass the part \w+ to createSettingsReader/)
  })

  test('outlier detection without a part for it', () => {
    expect(() => createSettingsReader().read({ discovery: { outlierDetection: {} } })).toThrow(
      expect.objectContaining({ field: 'discovery.outlierDetection' }),
    )
    expect(createSettingsReader().read({ resilient: true }).discovery.monitors).toBeUndefined()
  })
})

describe('what a document leaves out', () => {
  const names = ['retry', 'hedge', 'breaker', 'instanceBreaker', 'rateLimit', 'concurrencyLimit', 'fallback'] as const

  test('is not set, and false or null turns it off', () => {
    const { client } = createSettingsReader(parts).read({})
    expect(client).toEqual({ operations: {}, services: {} })
    for (const off of [false, null]) {
      const document = Object.fromEntries([...names, 'attemptTimeoutMs'].map((name) => [name, off]))
      expect(createSettingsReader(parts).read(document).client).toEqual({
        ...Object.fromEntries(names.map((name) => [name, false])),
        attemptTimeoutMs: 0,
        operations: {},
        services: {},
      })
    }
  })

  test('comes from the level above, field by field for the same policy, and whole for another kind', () => {
    const options: unknown[] = []
    const note = (kind: string) => (own: { readonly name: string }) => {
      options.push({ kind, ...own })
      return createBulkhead({ name: own.name, maxConcurrent: 1 })
    }
    const reader = createSettingsReader({ concurrencyLimits: { one: note('one') as never, two: note('two') as never } })
    const limitOf = (document: object): unknown => {
      const { client } = reader.read({ concurrencyLimit: { kind: 'one', a: 1, b: 1 }, services: { orders: document } })
      const concurrencyLimit = client.services?.['orders']?.concurrencyLimit
      if (!concurrencyLimit) return concurrencyLimit
      concurrencyLimit({ name: 'orders' } as never)
      return options.at(-1)
    }
    expect(limitOf({})).toEqual({ kind: 'one', name: 'orders', a: 1, b: 1 })
    expect(limitOf({ concurrencyLimit: { b: 2 } })).toEqual({ kind: 'one', name: 'orders', a: 1, b: 2 })
    expect(limitOf({ concurrencyLimit: { kind: 'one', c: 3 } })).toEqual({ kind: 'one', name: 'orders', a: 1, b: 1, c: 3 })
    expect(limitOf({ concurrencyLimit: { kind: 'two', c: 3 } })).toEqual({ kind: 'two', name: 'orders', c: 3 })
    expect(limitOf({ concurrencyLimit: true })).toEqual({ kind: 'one', name: 'orders', a: 1, b: 1 })
    expect(limitOf({ concurrencyLimit: undefined })).toEqual({ kind: 'one', name: 'orders', a: 1, b: 1 })
    expect(limitOf({ concurrencyLimit: false })).toBe(false)
  })

  test('is the default of the policy, if the document only turns it on', () => {
    const { client } = createSettingsReader(parts).read({ retry: true, breaker: true, services: { prices: { hedge: true } } })
    expect(client).toMatchObject({ retry: expect.any(Function), breaker: expect.any(Function) })
    expect(client.services?.['prices']).toMatchObject({ hedge: expect.any(Function), retry: client.retry })
  })
})

describe('a policy of a document', () => {
  const scopes: Record<string, unknown[]> = { retry: [], hedge: [], breaker: [] }
  const noting =
    (name: string, make: (options: never) => unknown) =>
    (options: object): never => {
      scopes[name]?.push(options)
      return make(options as never) as never
    }
  const noted: SettingsParts = {
    retry: noting('retry', createRetryPolicy),
    hedge: noting('hedge', createHedgePolicy),
    breaker: noting('breaker', createOpossumBreaker),
  }

  test('is made with the budget or the name of its service, and the numbers of the document', () => {
    const { client } = createSettingsReader(noted).read({
      retry: { maxAttempts: 2 },
      hedge: { delayMs: 5 },
      breaker: { openMs: 1_000 },
      instanceBreaker: { openMs: 2_000 },
    })
    const budget = createRetryBudget()
    const made = client as unknown as Record<string, (scope: object) => object>
    for (const name of ['retry', 'hedge']) expect(made[name]?.({ budget, service: 'orders' })).toBeTypeOf('object')
    for (const name of ['breaker', 'instanceBreaker'])
      expect(made[name]?.({ name: `${name} of a`, service: 'a' })).toBeTypeOf('object')
    expect(scopes['retry']?.at(-1)).toEqual({ budget, maxAttempts: 2 })
    expect(scopes['hedge']?.at(-1)).toEqual({ budget, delayMs: 5 })
    expect(scopes['breaker']?.slice(-2)).toEqual([
      { name: 'breaker of a', openMs: 1_000 },
      { name: 'instanceBreaker of a', openMs: 2_000 },
    ])
  })

  test('counts all services with the same numbers in one rate limiter, each under its own name', async () => {
    const reader = createSettingsReader(parts)
    const rateLimit = { limit: 1, windowMs: 60_000 }
    const { client } = reader.read({ services: { a: { rateLimit }, b: { rateLimit: { ...rateLimit, wait: true } } } })
    const [a, b] = [client.services?.['a'], client.services?.['b']].map((settings) => settings?.rateLimit || undefined)
    expect([a?.limiter === b?.limiter, a?.wait, b?.wait]).toEqual([true, false, true])
    expect((await a?.limiter.acquire('a'))?.allowed).toBe(true)
    expect((await a?.limiter.acquire('b'))?.allowed).toBe(true)
    await reader.close()
    await expect(a?.limiter.acquire('a')).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('may be a balancer with options', () => {
    const { client } = createSettingsReader(parts).read({ balancer: { kind: 'round-robin' } })
    expect(client.balancer?.name).toBe('round-robin')
    expect(() => createSettingsReader(parts).read({ balancer: { kind: 'random', seed: 1 } })).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field: 'balancer.seed' }),
    )
  })
})

test('the discovery part gives its numbers as they are, and a service turns detection off or on', () => {
  const numbers = {
    coalesceMs: 0,
    slowStartMs: 1,
    emptyGuardMs: 2,
    readyTimeoutMs: 3,
    idleMs: 4,
    declaredChecks: false,
    slowStartAggression: 2,
    panicThreshold: 0,
    maxServices: 1,
    subset: { size: 3, clientId: 'me' },
  }
  const { discovery } = createSettingsReader(parts).read({ discovery: numbers })
  expect(discovery).toEqual({ ...numbers, services: {} })
  const outlierDetection = { consecutive5xx: 3 }
  const { services = {}, monitors } = createSettingsReader(parts).read({
    discovery: {
      outlierDetection,
      services: {
        off: { outlierDetection: false },
        none: { outlierDetection: null },
        same: { outlierDetection: true },
        other: {},
      },
    },
  }).discovery
  expect([services['off'], services['none'], services['other']]).toEqual([{ monitors: [] }, { monitors: [] }, {}])
  expect(services['same']?.monitors).toBe(monitors)
})

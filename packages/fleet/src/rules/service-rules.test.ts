import { describe, expect, test } from 'vitest'
import { edgeOf, factsOf, instanceOf, NOW, processOf, serviceOf, trafficOf } from '../testing/facts.ts'
import { clusterAnswerOf, clusterOf, endpointOf } from '../testing/snapshots.ts'
import { breaker } from './breaker.ts'
import { callersDiffer } from './callers-differ.ts'
import { undeclaredDependency, unusedDependency } from './dependencies.ts'
import { noEndpoint } from './no-endpoint.ts'
import { panic } from './panic.ts'
import { retryBudget } from './retry-budget.ts'
import type { Facts, Finding, Rule } from './rule.ts'
import { slowInstance } from './slow-instance.ts'
import { unhealthy } from './unhealthy.ts'
import { unregistered } from './unregistered.ts'

function run(rule: Rule, facts: Facts): readonly Finding[] {
  return [...rule.find(facts)]
}

test('no-endpoint: callers without an endpoint, together for each service', () => {
  const none = { eligible: 0, out: 2, outBy: { unhealthy: 1, breaker: 1 } }
  const facts = factsOf({
    services: [serviceOf('stock', [instanceOf('stock-0')], { traffic: trafficOf(5) }), serviceOf('gone', [])],
    processes: [
      processOf('shop-0', { states: [clusterOf('stock', 2, none), clusterOf('gone', 0, { eligible: 0 })] }),
      processOf('shop-1', { states: [clusterOf('stock:admin', 2, none)] }),
      processOf('shop-2', { states: [clusterOf('stock', 2)] }),
      processOf('shop-3', { state: 'silent', states: [clusterOf('stock', 2, none)] }),
    ],
  })
  expect(run(noEndpoint, facts)).toEqual([
    expect.objectContaining({
      key: 'stock',
      severity: 'critical',
      text: 'shop-0 and shop-1 find no endpoint of stock that may get traffic',
      evidence: [expect.stringContaining('2 healthy; out because of: 1 unhealthy, 1 breaker'), expect.anything()],
    }),
  ])
})

test('unhealthy: with the check that fails, and critical if no instance is healthy', () => {
  const sick = instanceOf('stock-1', {
    health: 'unhealthy',
    healthMessage: 'no disk',
    healthSince: NOW - 90_000,
    processId: 'id of stock-1',
  })
  const check = {
    check: 'disk',
    kind: 'readiness',
    status: 'unhealthy' as const,
    since: 0,
    error: { code: 'X', message: 'ENOSPC', retryable: false },
  }
  const processes = [processOf('stock-1', { health: [{ status: 'unhealthy', isLive: true, isReady: false, checks: [check] }] })]
  const [found] = run(unhealthy, factsOf({ services: [serviceOf('stock', [instanceOf('stock-0'), sick])], processes }))
  expect(found).toMatchObject({
    severity: 'warning',
    text: 'stock-1 of stock is unhealthy: "no disk"',
    since: NOW - 90_000,
    afterMs: 60_000,
    evidence: ['1 of 2 instances of stock is healthy', 'Check disk fails: "ENOSPC"'],
  })
  expect(run(unhealthy, factsOf({ services: [serviceOf('stock', [sick])] }))[0]).toMatchObject({ severity: 'critical' })
})

describe('slow-instance', () => {
  const instances = (slowMs: number, attempts: number) =>
    [4, 5, slowMs].map((ms, index) =>
      instanceOf(`orders-${index}`, {
        processId: `id of orders-${index}`,
        traffic: trafficOf(ms === slowMs ? attempts : 100, ms),
      }),
    )
  const factsWith = (slowMs: number, attempts: number, downstreamMs: number) =>
    factsOf(
      {
        services: [serviceOf('orders', instances(slowMs, attempts))],
        processes: [0, 1, 2].map((index) =>
          processOf(`orders-${index}`, { services: [{ service: 'orders', instanceId: `orders-${index}` }] }),
        ),
        edges: [edgeOf('orders', 'stock')],
      },
      { pair: (processId) => trafficOf(100, processId === 'id of orders-2' ? downstreamMs : 3) },
    )

  test('the time is its own if its calls are not slower', () => {
    expect(run(slowInstance, factsWith(20, 50, 3))).toEqual([
      expect.objectContaining({
        key: 'orders/orders-2',
        text: 'orders-2 of orders is 4.4 times as slow as its siblings; its own calls are not slower, so the time is its own',
        evidence: expect.arrayContaining(['Its calls to stock are not slower: 3 ms, its siblings 3 ms']),
      }),
    ])
  })

  test('it is not its own fault if its calls are slower too', () => {
    const [found] = run(slowInstance, factsWith(40, 60, 35))
    expect(found?.text).toContain('its calls to stock are slower too')
    expect(found?.next).toBe('Look at stock as this instance sees it.')
  })

  test.each([
    ['too few attempts', 20, 49],
    ['less than three times', 13, 100],
    ['a difference of less than 5 ms', 9, 100],
  ])('nothing with %s', (_, slowMs, attempts) => {
    expect(run(slowInstance, factsWith(slowMs, attempts, 3))).toEqual([])
  })

  test('without its process, the cause is not known', () => {
    const [found] = run(slowInstance, { ...factsWith(40, 60, 3), processes: new Map() })
    expect(found?.text).toContain('not known')
  })
})

test('breaker: callers of one instance together; an isolated one is information', () => {
  const state = {
    kind: 'breaker',
    breaker: 'b',
    service: 'stock',
    instanceId: 'stock-1',
    since: NOW - 5_000,
    reason: 'failure-rate',
  } as const
  const processes = [
    processOf('shop-0', { clockOffsetMs: 1_000, states: [{ ...state, state: 'open' }] }),
    processOf('shop-1', { states: [{ ...state, state: 'open', since: NOW - 1_000 }] }),
    processOf('shop-2', {
      states: [
        { ...state, state: 'isolated', instanceId: undefined },
        { ...state, state: 'half-open' },
      ],
    }),
  ]
  expect(run(breaker, factsOf({ processes }))).toMatchObject([
    { severity: 'warning', text: 'shop-0 and shop-1 send nothing to stock-1 of stock: the breaker is open', since: NOW - 4_000 },
    { severity: 'info', text: 'shop-2 sends nothing to stock: the breaker is isolated by hand' },
  ])
})

test('breaker: a change of the configuration shortly before is named', () => {
  const state = { kind: 'breaker', breaker: 'b', service: 'stock', state: 'open', since: NOW - 5_000 } as const
  const configAt = (config: string, version: number, updatedAt: number) => ({
    config,
    version,
    updatedAt,
    digest: 'x',
    sources: [],
  })
  const configs = [
    configAt('orders.yaml', 2, NOW - 8_000),
    configAt('first version', 1, NOW - 8_000),
    configAt('too old', 2, NOW - 400_000),
    configAt('later', 2, NOW - 1_000),
  ]
  const [found] = run(breaker, factsOf({ processes: [processOf('orders-0', { states: [state], configs })] }))
  expect(found?.evidence).toEqual([
    'orders-0: breaker b, no reason given',
    'orders-0: configuration orders.yaml changed 3 s before',
  ])
  expect(found?.next).toContain('Look at the last change of orders.yaml: an earlier version can be restored.')
})

test('panic', () => {
  const processes = [
    processOf('shop-0', { states: [clusterOf('stock', 1, { isPanic: true, out: 2, ejected: 1 }), clusterOf('orders', 1)] }),
  ]
  expect(run(panic, factsOf({ processes }))).toMatchObject([
    { severity: 'critical', about: { service: 'stock' }, evidence: ['shop-0: 2 out, 1 of them ejected'] },
  ])
})

test('retry-budget: an empty one, with the failures of its callers', () => {
  const states = [
    { kind: 'retry-budget', service: 'stock', available: 0.4 } as const,
    { kind: 'retry-budget', service: 'orders', available: 1 } as const,
  ]
  const edges = [edgeOf('shop', 'stock', { traffic: trafficOf(100, 4, { retries: 30, failedShare: 0.25 }) })]
  expect(run(retryBudget, factsOf({ processes: [processOf('shop-0', { states })], edges }))).toMatchObject([
    { about: { service: 'stock' }, evidence: ['shop: 30 retries and 25 % failed calls in the last minute'], afterMs: 5_000 },
  ])
})

describe('callers-differ', () => {
  const services = [serviceOf('stock', [instanceOf('stock-0'), instanceOf('stock-1')])]
  const caller = (name: string, known: number, more = {}) => processOf(name, { states: [clusterOf('stock', known, more)] })

  test('callers with different numbers of instances, and what they do not know', () => {
    const processes = [caller('shop-0', 2), caller('shop-1', 1)]
    const view = (name: string, ids: readonly string[]) => ({
      processId: name,
      caller: name,
      cluster: clusterAnswerOf(
        'stock',
        ids.map((id) => endpointOf(id)),
      ),
      at: NOW,
      clock: NOW,
    })
    const views = () => [view('shop-0', ['stock-0', 'stock-1']), view('shop-1', ['stock-0'])]
    expect(run(callersDiffer, factsOf({ services, processes }, { views }))).toMatchObject([
      {
        text: 'Callers disagree about the instances of stock',
        evidence: ['The registry lists 2 instances', '2 instances: shop-0', '1 instance: shop-1', 'shop-1 does not know stock-1'],
        afterMs: 15_000,
      },
    ])
  })

  test('callers that agree, but not with the registry', () => {
    expect(run(callersDiffer, factsOf({ services, processes: [caller('shop-0', 1)] }))[0]?.text).toContain(
      'than the registry lists',
    )
    const registry = { name: 'consul', url: '', isKnown: true, staleSince: NOW }
    expect(run(callersDiffer, factsOf({ services, registry, processes: [caller('shop-0', 1)] }))).toEqual([])
  })

  test('nothing if they agree, or if a list is old', () => {
    expect(
      run(callersDiffer, factsOf({ services, processes: [caller('shop-0', 2), caller('shop-1', 1, { staleForMs: 1 })] })),
    ).toEqual([])
  })
})

describe('unregistered', () => {
  const called = serviceOf('order', [], { calledBy: ['reports'], traffic: trafficOf(10, 1, { failedShare: 1 }) })

  test('with a similar name, if there is one', () => {
    const facts = factsOf({ services: [called, serviceOf('orders', [instanceOf('orders-0')])] })
    expect(run(unregistered, facts)).toMatchObject([
      {
        text: 'reports calls order, of which no instance is registered',
        evidence: [expect.anything(), 'Registered under a similar name: orders'],
      },
    ])
    expect(run(unregistered, factsOf({ services: [called] }))[0]?.next).toContain('whether it runs')
  })

  test('nothing while the registry is not known', () => {
    const registry = { name: 'consul', url: '', isKnown: false }
    expect(run(unregistered, factsOf({ registry, services: [called] }))).toEqual([])
  })
})

describe('dependencies', () => {
  const instances = [instanceOf('shop-0', { processId: 'id of shop-0' })]
  const services = [serviceOf('shop', instances, { needs: ['stock'] }), serviceOf('cron', [], { needs: [] })]
  const processes = [processOf('shop-0', { services: [{ service: 'shop', instanceId: 'shop-0' }] })]
  const declared = edgeOf('shop', 'stock', { kind: 'declared' })

  test('declared but never called', () => {
    const [found] = run(unusedDependency, factsOf({ services, processes, edges: [declared] }))
    expect(found).toMatchObject({
      severity: 'info',
      text: 'shop declares that it needs stock, and has not called it since it started',
    })
  })

  test.each([
    ['the process has just started', processes.map((process) => ({ ...process, startedAt: NOW - 10_000 })), services],
    ['an instance has no process', [], services],
    ['an instance of several is not seen', processes, [serviceOf('shop', [...instances, instanceOf('shop-1')])]],
  ])('not if %s', (_, all, listed) => {
    expect(run(unusedDependency, factsOf({ services: listed, processes: all, edges: [declared] }))).toEqual([])
  })

  test('called but not declared, only if the caller declares any', () => {
    const edges = [
      edgeOf('shop', 'orders', { traffic: trafficOf(3) }),
      edgeOf('cron', 'orders'),
      edgeOf('shop', 'stock', { kind: 'both' }),
    ]
    expect(run(undeclaredDependency, factsOf({ services, edges }))).toMatchObject([
      { text: 'shop calls orders, which it does not declare as a dependency', evidence: ['3 calls in the last minute'] },
    ])
  })
})

import { describe, expect, test } from 'vitest'
import type { FleetProcess } from '../model.ts'
import { factsOf, NOW, processOf, serviceOf } from '../testing/facts.ts'
import { clusterOf } from '../testing/snapshots.ts'
import { alertChannel, alertFiring } from './alerts.ts'
import { configDiffers, configRefused } from './config.ts'
import { coreVersions } from './core-versions.ts'
import { duplicate } from './duplicate.ts'
import { gatewayRefused } from './gateway.ts'
import { locks } from './locks.ts'
import { registration } from './registration.ts'
import type { Facts, Finding, Rule } from './rule.ts'
import { silentProcess } from './silent-process.ts'
import { staleConfig, staleLists } from './stale.ts'

const error = { code: 'SD_UNAVAILABLE', message: 'connect ECONNREFUSED', retryable: true }

function run(rule: Rule, facts: Facts): readonly Finding[] {
  return [...rule.find(facts)]
}

describe('stale', () => {
  test('the registry of this reader', () => {
    const registry = { name: 'consul', url: '', isKnown: true, staleSince: NOW - 40_000, lastError: error }
    expect(run(staleLists, factsOf({ registry }))).toMatchObject([
      {
        severity: 'critical',
        text: "The registry consul can't be read from here",
        evidence: [error.message],
        since: NOW - 40_000,
      },
    ])
  })

  test('the lists of a process, together', () => {
    const backend = { kind: 'backend', backend: 'consul', state: 'disconnected', lastError: error } as const
    const states = [
      clusterOf('stock', 1, { staleForMs: 31_000 }),
      clusterOf('orders', 1, { staleForMs: 50_000 }),
      clusterOf('new', 1, { staleForMs: 30_000 }),
      backend,
    ]
    expect(run(staleLists, factsOf({ processes: [processOf('shop-0', { states })] }))).toMatchObject([
      {
        text: 'shop-0 works with old lists of instances: its registry is unreachable',
        evidence: ['Old lists: stock and orders', 'consul is disconnected: connect ECONNREFUSED'],
        since: NOW - 50_000,
      },
    ])
  })

  test('a source of configuration', () => {
    const config = {
      kind: 'config',
      config: 'app',
      version: 3,
      updatedAt: 0,
      staleSources: ['etcd'],
      refusedSources: [],
      degradedForMs: 60_000,
    } as const
    const answer = {
      config: 'app',
      version: 3,
      updatedAt: 0,
      digest: 'd',
      sources: [{ source: 'etcd', stale: { since: 0, error, isSnapshot: false } }],
    }
    const processes = [
      processOf('shop-0', { states: [config], configs: [answer] }),
      processOf('shop-1', { states: [{ ...config, degradedForMs: 29_000 }] }),
    ]
    expect(run(staleConfig, factsOf({ processes }))).toMatchObject([
      { text: "shop-0 can't read etcd of configuration app", evidence: ['etcd: connect ECONNREFUSED'], since: NOW - 60_000 },
    ])
  })
})

test('registration: failed at once, recovering after 10 seconds', () => {
  const state = {
    kind: 'registration',
    registry: 'consul',
    service: 'orders',
    instanceId: 'orders-0',
    since: NOW - 1_000,
    lastError: error,
  } as const
  const processes = [
    processOf('orders-0', { states: [{ ...state, state: 'failed' }] }),
    processOf('orders-1', {
      states: [
        { ...state, state: 'recovering' },
        { ...state, state: 'active' },
      ],
    }),
  ]
  expect(run(registration, factsOf({ processes }))).toMatchObject([
    { severity: 'critical', text: 'consul refuses to register orders-0 of orders', afterMs: 0, evidence: [error.message] },
    { severity: 'warning', text: 'orders-0 of orders is not registered in consul at the moment', afterMs: 10_000 },
  ])
})

describe('configuration', () => {
  const state = {
    kind: 'config',
    config: 'app',
    version: 2,
    updatedAt: NOW,
    staleSources: [],
    refusedSources: [],
    degradedForMs: 0,
  } as const
  const orders = (index: number, digest: string): FleetProcess =>
    processOf(`orders-${index}`, {
      services: [{ service: 'orders', instanceId: `orders-${index}` }],
      states: [{ ...state, digest }],
    })

  test('refused content, with its failures', () => {
    const refused = {
      since: NOW - 7_000,
      failures: [{ source: 'file', key: 'app.yaml', line: 3, message: 'pool.size: expected number' }],
    }
    const process = processOf('orders-0', {
      states: [{ ...state, refusedSources: ['file'] }],
      configs: [{ config: 'app', version: 2, updatedAt: 0, digest: 'd', sources: [{ source: 'file', refused }] }],
    })
    expect(run(configRefused, factsOf({ processes: [process] }))).toMatchObject([
      {
        severity: 'critical',
        text: 'orders-0 rejects the newest content of file for configuration app',
        evidence: ['app.yaml line 3: pool.size: expected number'],
        since: NOW - 7_000,
      },
    ])
  })

  test('instances with different digests, the most common one first', () => {
    const facts = factsOf({
      processes: [orders(0, 'a'), orders(1, 'b'), orders(2, 'b'), processOf('cron', { states: [{ ...state, digest: 'c' }] })],
    })
    expect(run(configDiffers, facts)).toMatchObject([
      {
        text: 'Instances of orders have different values of configuration app',
        evidence: [expect.stringMatching(/^orders-1 and orders-2: /), expect.stringMatching(/^orders-0: /)],
        afterMs: 60_000,
      },
    ])
    expect(run(configDiffers, factsOf({ processes: [orders(0, 'a'), orders(1, 'a')] }))).toEqual([])
  })
})

describe('alerts', () => {
  const alert = {
    id: 'a',
    rule: 'panic',
    state: 'firing',
    severity: 'critical',
    labels: { service: 'stock' },
    condition: '==',
    threshold: 1,
    value: 1,
    activeAt: NOW - 9_000,
    firingAt: NOW - 8_000,
    isSilenced: false,
  } as const
  const answer = { rules: [], alerts: [], channels: [], silences: [] }

  test('firing alerts of several processes together, without silenced ones', () => {
    const alerts = [alert, { ...alert, isSilenced: true, labels: {} }, { ...alert, state: 'pending' as const, rule: 'other' }]
    const processes = [
      processOf('shop-0', { alerts: [{ ...answer, alerts }] }),
      processOf('shop-1', { alerts: [{ ...answer, alerts: [alert] }] }),
    ]
    expect(run(alertFiring, factsOf({ processes, services: [serviceOf('stock', [])] }))).toMatchObject([
      {
        severity: 'critical',
        about: { rule: 'panic', service: 'stock' },
        text: 'Alert panic {service=stock} fires in shop-0 and shop-1',
        since: NOW - 8_000,
      },
    ])
  })

  test('a channel that fails and has something to send', () => {
    const channels = [
      { name: 'mail', waiting: 2, sent: 1, failed: 3, dropped: 0 },
      { name: 'chat', waiting: 0, sent: 9, failed: 3, dropped: 0 },
    ]
    expect(run(alertChannel, factsOf({ processes: [processOf('shop-0', { alerts: [{ ...answer, channels }] })] }))).toMatchObject(
      [{ key: 'mail', severity: 'critical', evidence: ['shop-0: 3 failures, 2 waiting, 0 dropped'] }],
    )
  })
})

test('gateway-refused', () => {
  const gateway = { gateway: 'edge', version: 4, updatedAt: 0, isReady: true, listeners: [], routes: [], omitted: 0 }
  const refused = { at: NOW - 3_000, error: { code: 'SD_INVALID', message: 'routes[0].service is missing', retryable: false } }
  const processes = [processOf('edge-0', { gateways: [gateway, { ...gateway, gateway: 'inner', refused }] })]
  expect(run(gatewayRefused, factsOf({ processes }))).toMatchObject([
    { about: { gateway: 'inner' }, evidence: ['routes[0].service is missing', 'Version 4 stays in effect'], since: NOW - 3_000 },
  ])
})

describe('locks', () => {
  const held = [{ lock: 'jobs', key: 'nightly', value: '', token: '7', since: NOW - 60_000 }]

  test('held by a process that does not answer, and by no other process', () => {
    const processes = [processOf('worker-0', { state: 'silent', since: NOW - 20_000, locks: held }), processOf('worker-1')]
    expect(run(locks, factsOf({ processes }))).toMatchObject([
      { severity: 'warning', text: 'worker-0, which held the lock jobs/nightly, does not answer', since: NOW - 20_000 },
    ])
  })

  test('another process holds it now', () => {
    const processes = [processOf('worker-0', { state: 'silent', locks: held }), processOf('worker-1', { locks: held })]
    expect(run(locks, factsOf({ processes }))).toMatchObject([{ severity: 'info', evidence: ['worker-1 holds it now'] }])
  })

  test('two processes that answer hold it', () => {
    const processes = [processOf('worker-0', { locks: held }), processOf('worker-1', { locks: held })]
    expect(run(locks, factsOf({ processes }))).toMatchObject([{ severity: 'critical', afterMs: 5_000 }])
  })
})

test('duplicate', () => {
  const addresses = ['10.0.0.2:9465', '10.0.0.1:9465'] as const
  const clashes = [
    { processId: 'same', addresses },
    { instance: { service: 'orders', instanceId: 'orders-0' }, addresses },
  ]
  expect(run(duplicate, factsOf({}, { clashes }))).toMatchObject([
    { text: 'Two processes have the id same', evidence: ['Their admin endpoints: 10.0.0.1:9465 and 10.0.0.2:9465'] },
    { text: 'Two processes are orders-0 of orders' },
  ])
})

describe('silent-process', () => {
  const silent = (name: string, more: Partial<FleetProcess> = {}) =>
    processOf(name, { state: 'silent', lastError: error, ...more })

  test('one that does not answer, and one that refuses', () => {
    const denied = { code: 'SD_DENIED', message: 'Status 401', retryable: false }
    const processes = [silent('orders-0'), silent('orders-1', { state: 'refuses', lastError: denied, answeredAt: undefined })]
    expect(run(silentProcess, factsOf({ processes }))).toMatchObject([
      { text: 'The admin endpoint of orders-0 does not answer: http://orders-0:9465', evidence: [error.message], afterMs: 5_000 },
      {
        evidence: ['Status 401', 'It has never answered'],
        next: 'Check the token of the endpoint, and allowedNetworks of this reader.',
        afterMs: 0,
      },
    ])
  })

  test('many with one error are one problem', () => {
    const processes = Array.from({ length: 12 }, (_, index) => silent(`orders-${index}`))
    expect(run(silentProcess, factsOf({ processes }))).toMatchObject([
      { text: 'The admin endpoints of 12 processes do not answer' },
    ])
  })
})

test('core-versions', () => {
  const processes = [
    processOf('shop-0', { packages: { '@sd/core': ['1.0.0', '1.2.0'] } }),
    processOf('shop-1', { packages: { '@sd/core': ['1.0.0'] } }),
  ]
  expect(run(coreVersions, factsOf({ processes }))).toMatchObject([
    { severity: 'info', text: 'shop-0 has 2 versions of @sd/core: 1.0.0 and 1.2.0' },
  ])
})

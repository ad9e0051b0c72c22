import { expect, test } from 'vitest'
import type { FleetModel, FleetProcess } from '../model.ts'
import { instanceOf, modelOf, NOW, processOf, serviceOf } from '../testing/facts.ts'
import { clusterOf } from '../testing/snapshots.ts'
import { ChangeLog } from './change-log.ts'

/** Texts of the changes from one model to the next, oldest first, without those of the first one. */
function changesBetween(before: Partial<FleetModel>, after: Partial<FleetModel>): readonly string[] {
  const log = new ChangeLog(300_000)
  const known = new Set(log.note(modelOf({ at: NOW, ...before })).map(({ id }) => id))
  return log
    .note(modelOf({ at: NOW + 2_000, ...after }))
    .filter(({ id }) => !known.has(id))
    .map(({ text }) => text)
    .toReversed()
}

test('instances join, leave, and change', () => {
  const before = [instanceOf('stock-0', { version: '1.0.0' }), instanceOf('stock-1')]
  const after = [
    instanceOf('stock-0', { version: '1.1.0', health: 'unhealthy', healthMessage: 'no disk', weight: 0 }),
    instanceOf('stock-2'),
  ]
  expect(
    changesBetween({ services: [serviceOf('stock', before)] }, { services: [serviceOf('stock', after)] }).toSorted(),
  ).toEqual([
    'stock-0 of stock has version 1.1.0, before 1.0.0',
    'stock-0 of stock has weight 0, before 1',
    'stock-0 of stock is unhealthy: "no disk"',
    'stock-1 of stock left',
    'stock-2 of stock joined',
  ])
})

test('processes appear, restart, stop answering, and leave', () => {
  const shop = processOf('shop-0')
  expect(changesBetween({}, { processes: [shop] })).toEqual(['Process shop-0 was found'])
  expect(changesBetween({ processes: [shop] }, { processes: [] })).toEqual(['Process shop-0 is no longer listed'])
  expect(changesBetween({ processes: [shop] }, { processes: [{ ...shop, state: 'silent' }] })).toEqual([
    'Process shop-0 does not answer',
  ])
  const restarted = { ...shop, processId: 'new', startedAt: NOW, pid: 2 }
  expect(changesBetween({ processes: [shop] }, { processes: [restarted] })).toEqual(['Process shop-0 was restarted'])
  // It is the same process under the id that tells it from another one.
  expect(changesBetween({ processes: [shop] }, { processes: [{ ...shop, processId: `${shop.processId}@host:1` }] })).toEqual([])
})

test('breakers, panics, registrations, configurations, gateways, locks and alerts', () => {
  const gateway = { gateway: 'edge', version: 4, updatedAt: NOW, isReady: true, listeners: [], routes: [], omitted: 0 }
  const error = { code: 'SD_INVALID', message: 'bad', retryable: false }
  const config = { kind: 'config', config: 'app', updatedAt: NOW, staleSources: [], degradedForMs: 0 } as const
  const breaker = { kind: 'breaker', breaker: 'b', service: 'stock', instanceId: 'stock-0' } as const
  const registered = { kind: 'registration', registry: 'consul', service: 'shop', instanceId: 'shop-0' } as const
  const alert = {
    id: 'a',
    rule: 'errors',
    state: 'firing',
    severity: 'warning',
    labels: { service: 'stock' },
    condition: '>',
    activeAt: NOW,
    isSilenced: false,
  } as const
  const alerts = { rules: [], channels: [], silences: [] }
  const held = { lock: 'jobs', key: 'nightly', value: '', token: '1', since: NOW }
  const before: readonly FleetProcess[] = [
    processOf('shop-0', {
      states: [
        { ...breaker, state: 'closed' },
        clusterOf('stock', 1),
        { ...registered, state: 'active' },
        { ...config, version: 1, refusedSources: [] },
      ],
      gateways: [gateway],
      locks: [held],
      alerts: [{ ...alerts, alerts: [] }],
    }),
    processOf('shop-1'),
  ]
  const after: readonly FleetProcess[] = [
    processOf('shop-0', {
      states: [
        { ...breaker, state: 'open', since: NOW + 1_000, reason: 'failure-rate' },
        clusterOf('stock', 1, { isPanic: true }),
        { ...registered, state: 'recovering' },
        { ...config, version: 2, refusedSources: ['file'] },
      ],
      gateways: [{ ...gateway, version: 5, refused: { at: NOW + 1_500, error } }],
      alerts: [{ ...alerts, alerts: [alert] }],
    }),
    processOf('shop-1', { locks: [{ ...held, token: '2' }] }),
  ]
  expect(changesBetween({ processes: before }, { processes: after }).toSorted()).toEqual([
    'Alert errors of stock fires in shop-0',
    'Gateway edge in shop-0 has version 5',
    'Gateway edge in shop-0 refused a document',
    'The breaker of shop-0 for stock-0 of stock is open (failure-rate)',
    'The lock jobs/nightly moved from shop-0 to shop-1',
    'The registration of shop-0 of shop in consul is recovering',
    'shop-0 has version 2 of configuration app',
    'shop-0 refuses the newest content of configuration app',
    'shop-0 uses all endpoints of stock',
  ])
  expect(changesBetween({ processes: after }, { processes: before })).toContain('Alert errors of stock has ended in shop-0')
})

test('the first model has what changed recently by its own account', () => {
  const log = new ChangeLog(300_000)
  const states = [
    {
      kind: 'config',
      config: 'app',
      version: 3,
      updatedAt: NOW - 60_000,
      staleSources: [],
      refusedSources: [],
      degradedForMs: 0,
    } as const,
  ]
  const changes = log.note(
    modelOf({
      services: [serviceOf('stock', [instanceOf('stock-0', { createdAt: NOW - 10_000 }), instanceOf('stock-1')])],
      processes: [processOf('shop-0', { clockOffsetMs: 5_000, states })],
    }),
  )
  expect(changes.map(({ text, at }) => [text, at])).toEqual([
    ['stock-0 of stock joined', NOW - 10_000],
    ['shop-0 has version 3 of configuration app', NOW - 55_000],
  ])
})

test('changes are bounded in number and age, and their ids are unique', () => {
  const log = new ChangeLog(60_000)
  const instances = Array.from({ length: 1_500 }, (_, index) => instanceOf(`i${index}`))
  log.note(modelOf())
  const changes = log.note(modelOf({ at: NOW + 1_000, services: [serviceOf('stock', instances)] }))
  expect(changes).toHaveLength(1_000)
  expect(new Set(changes.map(({ id }) => id)).size).toBe(1_000)
  expect(log.note(modelOf({ at: NOW + 62_000, services: [serviceOf('stock', instances)] }))).toEqual([])
})

test('a registry that is unreachable, and reachable again', () => {
  const registry = { name: 'consul', url: '', isKnown: true }
  const stale = { ...registry, staleSince: NOW + 1_000 }
  expect(changesBetween({ registry }, { registry: stale })).toEqual(['The registry consul is unreachable from here'])
  expect(changesBetween({ registry: stale }, { registry })).toEqual(['The registry consul is reachable again from here'])
})

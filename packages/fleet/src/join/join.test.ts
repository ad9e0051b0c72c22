import { createServiceInstance, createSnapshot } from '@sd/core'
import { expect, test } from 'vitest'
import type { ProcessEntry } from '../process/process-table.ts'
import { createSnapshotOf, type SnapshotParts } from '../testing/snapshots.ts'
import { TrafficStore } from '../traffic/traffic-store.ts'
import { joinProcesses } from './join-processes.ts'
import { HealthTimes, joinServices } from './join-services.ts'
import { callerName, type InstanceName, instancesOfProcess, processName, serviceOfName } from './names.ts'

const orders0 = { service: 'orders', instanceId: 'orders-0' }
const stock0 = { service: 'stock', instanceId: '10.0.0.1:80' }

function entryOf(host: string, found: readonly InstanceName[], parts?: SnapshotParts): ProcessEntry {
  return {
    target: { host, port: 9465, isSecure: false, origin: `http://${host}:9465`, instances: found },
    state: parts ? 'answers' : 'silent',
    since: 0,
    lastError: undefined,
    snapshot: parts && createSnapshotOf(parts),
    etag: undefined,
    answeredAt: undefined,
    clockOffsetMs: 0,
    failures: 0,
    askAt: 0,
  }
}

test('an instance is a process if the registry and the process agree', () => {
  const says = (...instances: InstanceName[]): SnapshotParts => ({ info: { instances, name: 'me' } })
  expect(instancesOfProcess(entryOf('a', [orders0], says(orders0, stock0)))).toEqual([orders0])
  // It has restarted as another instance; the entry of the old one has not expired yet.
  expect(instancesOfProcess(entryOf('a', [orders0], says(stock0)))).toEqual([])
  expect(instancesOfProcess(entryOf('a', [orders0], says()))).toEqual([orders0])
  expect(instancesOfProcess(entryOf('a', [], says(stock0)))).toEqual([stock0])
  expect(instancesOfProcess(entryOf('a', [orders0]))).toEqual([orders0])
})

test('names of processes', () => {
  expect(
    [entryOf('a', [orders0]), entryOf('a', [stock0]), entryOf('a', []), entryOf('a', [], { info: { name: 'cron' } })].map(
      (entry) => [processName(entry), callerName(entry)],
    ),
  ).toEqual([
    ['orders-0', 'orders'],
    ['stock 10.0.0.1:80', 'stock'],
    ['a:9465', 'a:9465'],
    ['cron', 'cron'],
  ])
  const registered = new Set(['orders', 'odd:name'])
  expect(['orders', 'orders:admin', 'odd:name', 'stock:admin'].map((name) => serviceOfName(name, registered))).toEqual([
    'orders',
    'orders',
    'odd:name',
    'stock:admin',
  ])
})

test('two processes that are the same instance are a clash; one that does not answer is none', () => {
  const parts = (processId: string): SnapshotParts => ({ info: { processId, pid: processId.length, instances: [orders0] } })
  const { clashes, byInstance } = joinProcesses([entryOf('a', [], parts('p')), entryOf('b', [], parts('pp'))])
  expect(clashes).toEqual([{ instance: orders0, addresses: ['a:9465', 'b:9465'] }])
  expect([...byInstance.values()]).toEqual(['p'])
  const silent = { ...entryOf('b', [], parts('pp')), state: 'silent' as const }
  expect(joinProcesses([silent, entryOf('a', [], parts('p'))]).clashes).toEqual([])
})

test('services have masked metadata, and the time of their health', () => {
  const health = new HealthTimes()
  const join = (status: 'healthy' | 'unhealthy', now: number) => {
    const instance = createServiceInstance({
      service: 'orders',
      id: 'orders-0',
      address: '::1',
      port: 80,
      protocol: 'https',
      metadata: { team: 'a', password: 'hunter2', url: 'redis://:hunter2@h' },
      health: { status, checkedAt: 1_000 },
    })
    const services = new Map([['orders', createSnapshot({ service: 'orders', instances: [instance] })]])
    const joined = joinServices({
      registry: { services, omitted: 0, isKnown: true, stale: undefined },
      edges: [{ from: 'shop', to: 'ghost', kind: 'declared', traffic: new TrafficStore(60_000).edge('a', 'b', now) }],
      byInstance: new Map(),
      views: () => [],
      health,
      traffic: new TrafficStore(60_000),
      now,
    })
    return joined.services
  }
  const [ghost, orders] = join('healthy', 5_000)
  expect(ghost).toMatchObject({ service: 'ghost', isRegistered: false, calledBy: [] })
  expect(orders?.instances[0]).toMatchObject({
    origin: 'https://[::1]:80',
    healthSince: 1_000,
    metadata: { team: 'a', password: '***', url: 'redis://:***@h' },
  })
  expect(join('unhealthy', 9_000)[1]?.instances[0]?.healthSince).toBe(9_000)
  expect(join('unhealthy', 12_000)[1]?.instances[0]?.healthSince).toBe(9_000)
})

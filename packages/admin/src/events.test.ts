import { answerInquiries, publishTelemetry, SdError, type SnapshotChange } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { change } from './testing/ask.ts'
import { type EventReader, followEvents } from './testing/read-events.ts'
import { startWorld } from './testing/world.ts'

function publishState(backend: string, state: 'connected' | 'disconnected' = 'connected'): void {
  publishTelemetry('sd:v1:backend:state', { backend, state })
}

describe('events', () => {
  test('are state changes, never calls', async () => {
    await using world = await startWorld()
    await using server = await world.serve({ controls: { client: world.client } })
    const reader = await followEvents(server.origin)
    for (let call = 0; call < 5; call++) await (await world.client.get('stock', '/')).text()
    const error = new SdError('SD_UNAVAILABLE', 'connection refused')
    publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'disconnected', error })
    publishTelemetry('sd:v1:cluster:panic', { service: 'stock', isPanic: true, healthyShare: 0.25 })
    publishTelemetry('sd:v1:config:update', { config: 'app', version: 3, changed: ['a', 'b'], durationMs: 1 })
    publishTelemetry('sd:v1:gateway:reload', { gateway: 'edge', version: 2, durationMs: 1, error })
    await change(`${server.origin}/sd/v1/breakers/stock`, { state: 'isolated', reason: 'a drill' })
    await expect.poll(() => reader.events.map(({ kind }) => kind)).toContain('change')
    const seen = reader.events.filter(({ kind }) => kind !== 'registration' && kind !== 'instances')
    expect(seen.map(({ kind, severity, text }) => `${kind} ${severity}: ${text}`)).toEqual([
      'backend critical: consul is disconnected: connection refused',
      'panic critical: only 25 % of the endpoints of stock are healthy: all are used',
      'config info: app has version 3: a, b',
      'gateway warning: edge rejected a table: connection refused',
      'breaker critical: breaker stock: closed → isolated (manual)',
      'change info: breaker.set stock: a drill',
    ])
    expect(seen.at(-1)).toMatchObject({ by: 'loopback' })
    reader.close()
  })

  test('of instances are summed up within a second', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const reader = await followEvents(server.origin)
    const instance = world.stock.instance
    const change = (added: number, removed: number): SnapshotChange => ({
      added: Array(added).fill(instance),
      updated: [],
      removed: Array(removed).fill(instance),
    })
    const snapshot = await world.registry.getInstances('stock')
    publishTelemetry('sd:v1:discovery:update', { service: 'many', snapshot, change: change(30, 0) })
    publishTelemetry('sd:v1:discovery:update', { service: 'many', snapshot, change: change(0, 12) })
    publishTelemetry('sd:v1:discovery:update', { service: 'none', snapshot, change: change(0, 0) })
    await expect
      .poll(() => reader.events.filter(({ kind }) => kind === 'instances').map(({ text }) => text))
      .toContain('many: 30 added, 12 removed, 0 changed')
    expect(reader.events.map(({ service }) => service)).not.toContain('none')
    reader.close()
  })

  test('of histories, locks, alerts and lifecycles', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const end = answerInquiries('lifecycle', () => [{ state: 'ready', since: 1 }])
    await world.history.rollback(1, { author: 'ada', comment: 'too slow' })
    for (const state of ['acquired', 'lost'] as const) {
      publishTelemetry('sd:v1:lock:state', { lock: 'etcd', key: 'leader', state, token: '7' })
    }
    const alert = { rule: 'slow', severity: 'critical', labels: { service: 'stock' }, isSilenced: false } as const
    for (const state of ['firing', 'resolved'] as const) publishTelemetry('sd:v1:alert:state', { ...alert, state })
    const reader = await followEvents(server.origin)
    await expect
      .poll(() => reader.events.map(({ kind, severity, text, by = '' }) => `${kind} ${severity} ${by}: ${text}`))
      .toEqual([
        'config-write info ada: orders.yaml of memory: rollback to version 1, now version 3 (too slow)',
        'lock info : lock leader of etcd: acquired',
        'lock critical : lock leader of etcd: lost',
        'alert critical : alert slow (service=stock) is firing',
        'alert info : alert slow (service=stock) is resolved',
        'lifecycle info : the server is ready',
      ])
    expect(reader.events.filter(({ service }) => service === 'stock')).toHaveLength(2)
    end()
    reader.close()
  })
})

describe('a reader', () => {
  test('continues after the last event that it has, and gets all of another process', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    publishState('first')
    publishState('second')
    const all = await followEvents(server.origin)
    await expect.poll(() => all.events.map(({ text }) => text)).toEqual(['first is connected', 'second is connected'])
    expect(all.events.map(({ id }) => id)).toEqual([1, 2])
    const rest = await followEvents(server.origin, { 'last-event-id': '1' })
    await expect.poll(() => rest.events.map(({ id }) => id)).toEqual([2])
    const late = await followEvents(server.origin, { 'last-event-id': '900' })
    await expect.poll(() => late.events.map(({ id }) => id)).toEqual([1, 2])
    for (const reader of [all, rest, late]) reader.close()
  })

  test('is the ninth: it is refused until another one leaves', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const readers: EventReader[] = []
    for (let count = 0; count < 8; count++) readers.push(await followEvents(server.origin))
    const ninth = await followEvents(server.origin)
    expect(ninth.status).toBe(503)
    readers[0]?.close()
    await expect.poll(async () => (await followEvents(server.origin)).status).toBe(200)
    for (const reader of [...readers, ninth]) reader.close()
  })

  test('is ended with the endpoint', async () => {
    await using world = await startWorld()
    const server = await world.serve()
    const reader = await followEvents(server.origin)
    await server.close()
    await reader.ended
    expect(reader.status).toBe(200)
  })
})

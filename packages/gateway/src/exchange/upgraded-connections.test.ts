import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ResolvedTable } from '../table/resolve-table.ts'
import { UpgradedConnections } from './upgraded-connections.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const tableOf = (headMs: number, listener = 'edge'): ResolvedTable =>
  ({
    listeners: [{ name: listener }],
    routes: [{ name: 'chat', forward: { service: 'chat' }, timeouts: { headMs } }],
  }) as unknown as ResolvedTable

function open(connections: UpgradedConnections, { routes: [route] } = tableOf(1)) {
  const client = new PassThrough()
  const service = new PassThrough()
  const connection = { beginDrain: vi.fn() }
  const onEnd = vi.fn()
  connections.add({ client, service, connection, onEnd, listener: 'edge', route: route as never })
  return { client, service, connection, onEnd }
}

test.each([
  ['route', tableOf(2)],
  ['listener', tableOf(1, 'other')],
])('a connection whose %s has changed is asked to close, and then cut', async (_, table) => {
  const connections = new UpgradedConnections()
  const { client, service, connection, onEnd } = open(connections)
  connections.retire(table, 60_000)
  await vi.advanceTimersByTimeAsync(54_999)
  expect(connection.beginDrain).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect([connection.beginDrain.mock.calls.length, client.destroyed]).toEqual([1, false])
  await vi.advanceTimersByTimeAsync(5_000)
  expect([client.destroyed, service.destroyed, connections.size]).toEqual([true, true, 0])
  expect(onEnd.mock.calls[0]).toMatchObject([{ code: 'SD_ABORTED' }])
})

test('a connection whose route is as before in time stays', async () => {
  const connections = new UpgradedConnections()
  const { client, connection } = open(connections)
  connections.retire(tableOf(2), 60_000)
  await vi.advanceTimersByTimeAsync(30_000)
  connections.retire(tableOf(1), 60_000)
  await vi.advanceTimersByTimeAsync(600_000)
  expect([connection.beginDrain.mock.calls.length, client.destroyed, vi.getTimerCount()]).toEqual([0, false, 0])
})

test('later tables do not prolong the time of a connection', async () => {
  const connections = new UpgradedConnections()
  const { client } = open(connections)
  for (let headMs = 2; headMs < 8; headMs++) {
    connections.retire(tableOf(headMs), 60_000)
    await vi.advanceTimersByTimeAsync(10_000)
  }
  expect(client.destroyed).toBe(true)
})

test('a connection that closes is over, without a timer', async () => {
  const connections = new UpgradedConnections()
  const { client, onEnd } = open(connections)
  connections.retire(tableOf(2), 60_000)
  client.destroy()
  await vi.advanceTimersByTimeAsync(0)
  expect([onEnd.mock.calls, connections.size, vi.getTimerCount()]).toEqual([[[undefined]], 0, 0])
})

test('a connection that begins during a drain is asked to close at once', () => {
  const connections = new UpgradedConnections()
  connections.beginDrain()
  expect(open(connections).connection.beginDrain).toHaveBeenCalledOnce()
})

import type { Endpoint } from '@sd/core'
import { createTestEndpoints } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EndpointConnection } from './endpoint-connection.ts'
import { connectivity, type Subchannel, type SubchannelListener } from './grpc-js.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function connect(): { connection: EndpointConnection; turn(state: number): void } {
  const [endpoint] = createTestEndpoints([1]) as [Endpoint]
  const listeners = new Set<SubchannelListener>()
  let current: number = connectivity.idle
  function turn(state: number): void {
    const previous = current
    current = state
    for (const listener of listeners) listener(subchannel, previous, state, -1)
  }
  const subchannel: Subchannel = {
    ref: () => undefined,
    unref: () => undefined,
    startConnecting: () => turn(connectivity.connecting),
    getConnectivityState: () => current,
    addConnectivityStateListener: (listener) => void listeners.add(listener),
    removeConnectivityStateListener: (listener) => void listeners.delete(listener),
    getRealSubchannel: () => ({ resetBackoff: () => undefined }),
  }
  return { connection: new EndpointConnection(endpoint, subchannel, () => undefined), turn }
}

test('calls do not wait forever for a connection that hangs', () => {
  const { connection, turn } = connect()
  vi.advanceTimersByTime(4_000)
  expect(connection.failure).toBeUndefined()
  vi.advanceTimersByTime(2_000)
  expect(connection.failure).toBe('not connected after 5000 ms')
  turn(connectivity.ready)
  expect([connection.isReady, connection.failure]).toEqual([true, undefined])
})

test('the time limit starts again after a disconnect', () => {
  const { connection, turn } = connect()
  turn(connectivity.ready)
  vi.advanceTimersByTime(60_000)
  turn(connectivity.idle)
  connection.connect()
  expect(connection.failure).toBeUndefined()
})

test('a failure is remembered during the next attempt', () => {
  const { connection, turn } = connect()
  turn(connectivity.transientFailure)
  turn(connectivity.idle)
  connection.connect()
  expect(connection.failure).toBe('the connection failed')
  expect(connection.endpoint.active).toBe(0)
  turn(connectivity.ready)
  expect(connection.failure).toBeUndefined()
})

import { closedError, SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { expect, test } from 'vitest'
import { createConnectionTracker } from './connection-state.ts'

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')

test('a connection follows the results of its contacts, and publishes each change once', () => {
  const events: TelemetryEvents['sd:v1:backend:state'][] = []
  const stop = subscribeTelemetry('sd:v1:backend:state', (event) => events.push(event))
  const connection = createConnectionTracker('test')
  expect(connection.state).toBe('disconnected')
  connection.succeeded()
  connection.succeeded()
  connection.failed(new SdError('SD_DENIED', 'no'))
  connection.failed(closedError('test'))
  expect(connection.state).toBe('connected')
  connection.failed(unreachable)
  connection.failed(unreachable)
  expect(connection.state).toBe('disconnected')
  connection.close()
  connection.close()
  connection.succeeded()
  connection.failed(unreachable)
  stop()
  expect(connection.state).toBe('closed')
  expect(events.map(({ state, error }) => [state, error])).toEqual([
    ['connected', undefined],
    ['disconnected', unreachable],
    ['closed', undefined],
  ])
})

test('a connection may start as connected', () => {
  expect(createConnectionTracker('test', 'connected').state).toBe('connected')
})

import { collectStates, subscribeTelemetry, type TelemetryChannel } from '@sd/core'
import { expect, test } from 'vitest'
import { createTelemetryCall, publishEverything, stateReports, telemetryTraceId } from '../index.ts'

// The compiler finds a channel that is missing here.
const channels: Readonly<Record<TelemetryChannel, true>> = {
  'sd:v1:alert:state': true,
  'sd:v1:attempt:end': true,
  'sd:v1:backend:operation': true,
  'sd:v1:backend:state': true,
  'sd:v1:breaker:state': true,
  'sd:v1:call:collapse': true,
  'sd:v1:call:end': true,
  'sd:v1:call:fallback': true,
  'sd:v1:call:hedge': true,
  'sd:v1:call:hedged': true,
  'sd:v1:call:refused': true,
  'sd:v1:call:retry': true,
  'sd:v1:call:start': true,
  'sd:v1:cluster:panic': true,
  'sd:v1:config:update': true,
  'sd:v1:config:write': true,
  'sd:v1:discovery:update': true,
  'sd:v1:endpoint:ejection': true,
  'sd:v1:fault:injected': true,
  'sd:v1:gateway:call': true,
  'sd:v1:gateway:connection': true,
  'sd:v1:gateway:exchange': true,
  'sd:v1:gateway:messages': true,
  'sd:v1:gateway:refused': true,
  'sd:v1:gateway:reload': true,
  'sd:v1:health:check': true,
  'sd:v1:http-cache:request': true,
  'sd:v1:lock:state': true,
  'sd:v1:rate-limit:decision': true,
  'sd:v1:registration:state': true,
  'sd:v1:server:refused': true,
  'sd:v1:sticky:pick': true,
  'sd:v1:sticky:session': true,
  'sd:v1:subset:pick': true,
}

test('publishes an event on every channel, and reports a state of each kind until it ends', () => {
  const seen = new Set<string>()
  const names = Object.keys(channels) as TelemetryChannel[]
  const ends = names.map((name) => subscribeTelemetry(name, () => seen.add(name)))
  const end = publishEverything()
  expect([...seen].sort()).toEqual(names)
  expect(collectStates()).toEqual(stateReports)
  end()
  expect(collectStates()).toEqual([])
  for (const unsubscribe of ends) unsubscribe()
})

test('a call has a trace', () => {
  expect(createTelemetryCall({ service: 'carts' }, '00')).toMatchObject({
    service: 'carts',
    headers: { traceparent: `00-${telemetryTraceId}-00f067aa0ba902b7-00` },
  })
})

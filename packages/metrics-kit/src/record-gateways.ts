import { originOf, type StateReport } from '@sd/core'
import type { RecorderContext } from './recorder-context.ts'
import type { GaugeSeries } from './series.ts'

/**
 * Records the requests, connections and tables of gateways. Labels come from tables and from fixed lists, and for methods of
 * calls from a bounded table of those that a service has: a client can't create a series.
 */
export function recordGateways({ series, listen }: RecorderContext): void {
  const requests = series.counter('gateway.requests')
  const errors = series.counter('gateway.request.errors')
  const durations = series.histogram('gateway.request.duration')
  const latencies = series.histogram('gateway.response.latency')
  const bytes = series.counter('gateway.body')
  const calls = series.counter('gateway.calls')
  const callDurations = series.histogram('gateway.call.duration')
  const messages = series.counter('gateway.call.messages')
  const connections = series.counter('gateway.connections.closed')
  const refusals = series.counter('gateway.refusals')
  const affinities = series.counter('gateway.affinity')
  const mirrors = series.counter('gateway.mirrored')
  const reloads = series.counter('gateway.reloads')

  listen('sd:v1:gateway:exchange', ({ exchange, outcome }) => {
    const { connection, route, httpVersion } = exchange
    const { status, error, durationMs, firstByteMs, bytesIn, bytesOut } = outcome
    const statusClass = `${Math.floor(status / 100)}xx`
    requests.add([connection.listener, route, httpVersion === '2' ? 'h2' : 'http/1.1', status])
    if (error) errors.add([route, error.code, originOf(error)])
    durations.observe([route, statusClass], durationMs / 1_000)
    if (firstByteMs !== undefined) latencies.observe([route, statusClass], firstByteMs / 1_000)
    if (outcome.affinity) affinities.add([route, outcome.affinity])
    if (outcome.mirror) mirrors.add([route, outcome.mirror])
    if (bytesIn > 0) bytes.add([route, 'request'], bytesIn)
    if (bytesOut > 0) bytes.add([route, 'response'], bytesOut)
  })
  listen('sd:v1:gateway:call', ({ protocol, route, method, grpcStatus, durationMs, messagesIn, messagesOut }) => {
    calls.add([protocol, route, method, grpcStatus])
    callDurations.observe([protocol, route, method], durationMs / 1_000)
    if (messagesIn > 0) messages.add([protocol, route, method, 'in'], messagesIn)
    if (messagesOut > 0) messages.add([protocol, route, method, 'out'], messagesOut)
  })
  listen('sd:v1:gateway:connection', ({ listener, protocol, state, reason }) => {
    if (state === 'closed') connections.add([listener, protocol, reason ?? 'error'])
  })
  listen('sd:v1:gateway:refused', ({ listener, reason }) => refusals.add([listener, reason]))
  listen('sd:v1:gateway:reload', ({ gateway, error }) => reloads.add([gateway, error?.code ?? 'ok']))
  recordMessages({ series, listen })
}

/** Connections of protocols that clients of a gateway change to, such as WebSocket. */
function recordMessages({ series, listen }: Pick<RecorderContext, 'series' | 'listen'>): void {
  const messages = series.counter('gateway.messages')
  const bytes = series.counter('gateway.message')
  const ends = series.counter('gateway.message.connections.closed')
  listen('sd:v1:gateway:messages', ({ protocol, route, messagesIn, messagesOut, bytesIn, bytesOut, end }) => {
    if (messagesIn > 0) messages.add([protocol, route, 'in'], messagesIn)
    if (messagesOut > 0) messages.add([protocol, route, 'out'], messagesOut)
    if (bytesIn > 0) bytes.add([protocol, route, 'in'], bytesIn)
    if (bytesOut > 0) bytes.add([protocol, route, 'out'], bytesOut)
    if (end) ends.add([protocol, route, end.reason])
  })
}

type GatewayStateReport = Extract<StateReport, { readonly kind: 'gateway' }>

/** Creates the gauges of a gateway's state. */
export function recordGatewayStates(gauge: (name: string) => GaugeSeries): (state: GatewayStateReport) => void {
  const connections = gauge('gateway.connections')
  const active = gauge('gateway.requests.active')
  const ready = gauge('gateway.ready')
  const versions = gauge('gateway.table.version')
  const updated = gauge('gateway.table.update.timestamp')

  return ({ gateway, ...state }) => {
    for (const { listener, connections: count } of state.listeners) connections.report([gateway, listener], count)
    active.report([gateway], state.requests)
    ready.report([gateway], state.isReady ? 1 : 0)
    versions.report([gateway], state.version)
    updated.report([gateway], state.updatedAt / 1_000)
  }
}

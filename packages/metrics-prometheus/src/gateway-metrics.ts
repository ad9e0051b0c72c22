import { originOf } from '@sd/core'
import type { MetricContext } from './metric-context.ts'
import type { GaugeSeries } from './series.ts'

/**
 * Measures the requests, connections and tables of gateways. Labels come from tables and from fixed lists, and for methods of
 * calls from a bounded table of those that a service has: a client can't create a series.
 */
export function measureGateways({ series, listen, options }: MetricContext): void {
  const { buckets } = options
  const requests = series.counter({
    name: 'gateway_requests_total',
    help: 'Completed requests of a gateway, by response status; 499 if the client left before.',
    labelNames: ['listener', 'route', 'protocol', 'status'],
  })
  const errors = series.counter({
    name: 'gateway_request_errors_total',
    help: 'Failed requests of a gateway, by error code and origin of the error: caller, local, network or peer.',
    labelNames: ['route', 'code', 'origin'],
  })
  const durations = series.histogram({
    name: 'gateway_request_duration_seconds',
    help: 'Time from the head of a request to the end of the response or to the failure.',
    labelNames: ['route', 'status_class'],
    buckets,
  })
  const latencies = series.histogram({
    name: 'gateway_response_latency_seconds',
    help: 'Time from the head of a request to the head of the response.',
    labelNames: ['route', 'status_class'],
    buckets,
  })
  const bytes = series.counter({
    name: 'gateway_body_bytes_total',
    help: 'Bytes of the bodies of completed requests and of their responses.',
    labelNames: ['route', 'direction'],
  })
  const calls = series.counter({
    name: 'gateway_calls_total',
    help: 'Completed calls of a protocol over HTTP, such as gRPC, by method and by the status that the client got.',
    labelNames: ['protocol', 'route', 'method', 'grpc_status'],
  })
  const callDurations = series.histogram({
    name: 'gateway_call_duration_seconds',
    help: 'Time from the head of a call to the end of its response, by method.',
    labelNames: ['protocol', 'route', 'method'],
    buckets,
  })
  const messages = series.counter({
    name: 'gateway_call_messages_total',
    help: 'Messages of completed calls: in from clients, out to them.',
    labelNames: ['protocol', 'route', 'method', 'direction'],
  })
  const connections = series.counter({
    name: 'gateway_connections_closed_total',
    help: 'Closed connections of a gateway, by the side that ended them: client, gateway, drain or error.',
    labelNames: ['listener', 'protocol', 'reason'],
  })
  const refusals = series.counter({
    name: 'gateway_refusals_total',
    help: 'Connections that a gateway refused before there was a request.',
    labelNames: ['listener', 'reason'],
  })
  const affinities = series.counter({
    name: 'gateway_affinity_total',
    help: 'Responses to clients with an affinity: new, kept, moved to another instance, diverted once, or with an invalid cookie.',
    labelNames: ['route', 'outcome'],
  })
  const mirrors = series.counter({
    name: 'gateway_mirrored_total',
    help: 'Copies of requests for a mirror: sent, or dropped because of a limit.',
    labelNames: ['route', 'outcome'],
  })
  const reloads = series.counter({
    name: 'gateway_reloads_total',
    help: 'Tables given to a gateway, by error code of a rejected table, or ok.',
    labelNames: ['gateway', 'code'],
  })

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
}

/** The part of a gateway's state that is measured. */
export interface MeasuredGateway {
  readonly gateway: string
  readonly version: number
  readonly updatedAt: number
  readonly isReady: boolean
  readonly requests: number
  readonly listeners: readonly { readonly listener: string; readonly connections: number }[]
}

/** Creates the gauges of a gateway's state. */
export function measureGatewayStates(
  gauge: (name: string, help: string, labelNames: readonly string[]) => GaugeSeries,
): (state: MeasuredGateway) => void {
  const connections = gauge('gateway_connections', 'Open connections of a gateway.', ['gateway', 'listener'])
  const active = gauge('gateway_requests_active', 'Requests of a gateway in progress.', ['gateway'])
  const ready = gauge('gateway_ready', '1 while the gateway accepts requests, 0 once a drain has begun.', ['gateway'])
  const versions = gauge('gateway_table_version', 'Version of the table in effect: 1 at the start, plus 1 with every change.', [
    'gateway',
  ])
  const updated = gauge('gateway_table_update_timestamp_seconds', 'Unix time at which the current table took effect.', [
    'gateway',
  ])

  return ({ gateway, ...state }) => {
    for (const { listener, connections: count } of state.listeners) connections.add([gateway, listener], count)
    active.add([gateway], state.requests)
    ready.raise([gateway], state.isReady ? 1 : 0)
    versions.raise([gateway], state.version)
    updated.raise([gateway], state.updatedAt / 1_000)
  }
}

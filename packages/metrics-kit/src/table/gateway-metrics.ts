import type { MetricRows } from '../metric-definition.ts'

/** Metrics of the requests, connections and tables of gateways. */
export const gatewayMetrics: MetricRows = {
  'gateway.requests': {
    kind: 'counter',
    unit: '{request}',
    labels: ['listener', 'route', 'protocol', 'status'],
    help: 'Completed requests of a gateway, by response status; 499 if the client left before.',
  },
  'gateway.request.errors': {
    kind: 'counter',
    unit: '{error}',
    labels: ['route', 'code', 'origin'],
    help: 'Failed requests of a gateway, by error code and origin of the error: caller, local, network or peer.',
  },
  'gateway.request.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['route', 'status_class'],
    help: 'Time from the head of a request to the end of the response or to the failure.',
  },
  'gateway.response.latency': {
    kind: 'histogram',
    unit: 's',
    labels: ['route', 'status_class'],
    help: 'Time from the head of a request to the head of the response.',
  },
  'gateway.body': {
    kind: 'counter',
    unit: 'By',
    labels: ['route', 'direction'],
    help: 'Bytes of the bodies of completed requests and of their responses.',
  },
  'gateway.calls': {
    kind: 'counter',
    unit: '{call}',
    labels: ['protocol', 'route', 'method', 'grpc_status'],
    help: 'Completed calls of a protocol over HTTP, such as gRPC, by method and by the status that the client got.',
  },
  'gateway.call.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['protocol', 'route', 'method'],
    help: 'Time from the head of a call to the end of its response, by method.',
  },
  'gateway.call.messages': {
    kind: 'counter',
    unit: '{message}',
    labels: ['protocol', 'route', 'method', 'direction'],
    help: 'Messages of completed calls: in from clients, out to them.',
  },
  'gateway.connections.closed': {
    kind: 'counter',
    unit: '{connection}',
    labels: ['listener', 'protocol', 'reason'],
    help: 'Closed connections of a gateway, by the side that ended them: client, gateway, drain or error.',
  },
  'gateway.refusals': {
    kind: 'counter',
    unit: '{connection}',
    labels: ['listener', 'reason'],
    help: 'Connections that a gateway refused before there was a request.',
  },
  'gateway.affinity': {
    kind: 'counter',
    unit: '{response}',
    labels: ['route', 'outcome'],
    help: 'Responses to clients with an affinity: new, kept, moved to another instance, diverted once, or with an invalid cookie.',
  },
  'gateway.mirrored': {
    kind: 'counter',
    unit: '{request}',
    labels: ['route', 'outcome'],
    help: 'Copies of requests for a mirror: sent, or dropped because of a limit.',
  },
  'gateway.reloads': {
    kind: 'counter',
    unit: '{reload}',
    labels: ['gateway', 'code'],
    help: 'Tables given to a gateway, by error code of a rejected table, or ok.',
  },
  'gateway.messages': {
    kind: 'counter',
    unit: '{message}',
    labels: ['protocol', 'route', 'direction'],
    help: 'Messages on connections of a protocol, such as WebSocket: in from clients, out to them.',
  },
  'gateway.message': {
    kind: 'counter',
    unit: 'By',
    labels: ['protocol', 'route', 'direction'],
    help: 'Bytes of the payloads of these messages, as they are on the wire.',
  },
  'gateway.message.connections.closed': {
    kind: 'counter',
    unit: '{connection}',
    labels: ['protocol', 'route', 'reason'],
    help: 'Closed connections of such a protocol, by reason: client, service, drain, idle, protocol, size or lost.',
  },
}

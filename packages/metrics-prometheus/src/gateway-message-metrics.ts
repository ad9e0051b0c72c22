import type { MetricContext } from './metric-context.ts'

/** Measures connections of protocols that clients of a gateway change to, such as WebSocket. */
export function measureGatewayMessages({ series, listen }: MetricContext): void {
  const messages = series.counter({
    name: 'gateway_messages_total',
    help: 'Messages on connections of a protocol, such as WebSocket: in from clients, out to them.',
    labelNames: ['protocol', 'route', 'direction'],
  })
  const bytes = series.counter({
    name: 'gateway_message_bytes_total',
    help: 'Bytes of the payloads of these messages, as they are on the wire.',
    labelNames: ['protocol', 'route', 'direction'],
  })
  const ends = series.counter({
    name: 'gateway_message_connections_closed_total',
    help: 'Closed connections of such a protocol, by reason: client, service, drain, idle, protocol, size or lost.',
    labelNames: ['protocol', 'route', 'reason'],
  })
  listen('sd:v1:gateway:messages', ({ protocol, route, messagesIn, messagesOut, bytesIn, bytesOut, end }) => {
    if (messagesIn > 0) messages.add([protocol, route, 'in'], messagesIn)
    if (messagesOut > 0) messages.add([protocol, route, 'out'], messagesOut)
    if (bytesIn > 0) bytes.add([protocol, route, 'in'], bytesIn)
    if (bytesOut > 0) bytes.add([protocol, route, 'out'], bytesOut)
    if (end) ends.add([protocol, route, end.reason])
  })
}

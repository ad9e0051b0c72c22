import type { ExchangeContext } from '../exchange/exchange-context.ts'
import { createHttp1Front } from '../http1/http1-front.ts'
import { createHttp2Front } from '../http2/http2-front.ts'
import type { ProtocolContext } from '../streams/stream-protocol.ts'
import type { ResolvedListener } from '../table/resolve-table.ts'
import type { ListenerProtocol } from './front.ts'
import { recogniseHttp1, recogniseHttp2 } from './protocol-selection.ts'

/** Creates the fronts of a listener, in the order in which they are asked about a connection. */
export function createProtocols(context: ExchangeContext, spec: ResolvedListener): ListenerProtocol[] {
  const names = orderOf(spec.protocols ?? ['h2', 'http/1.1'])
  return names.flatMap((name, index) => createProtocol(context, spec, name, index === names.length - 1) ?? [])
}

/** The preface of HTTP/2 has the form of an HTTP/1 request, so that it is looked for before. */
function orderOf(names: readonly string[]): readonly string[] {
  const http1 = names.indexOf('http/1.1')
  if (http1 < 0 || names.indexOf('h2') < http1) return names
  return names.filter((name) => name !== 'h2').toSpliced(http1, 0, 'h2')
}

function createProtocol(
  context: ExchangeContext,
  spec: ResolvedListener,
  name: string,
  isLast: boolean,
): ListenerProtocol | undefined {
  if (name === 'h2') return { front: createHttp2Front(context, spec), recognise: recogniseHttp2, isHttp: true }
  if (name === 'http/1.1') {
    return { front: createHttp1Front(context, spec), recognise: isLast ? undefined : recogniseHttp1, isHttp: true }
  }
  const protocol = context.streamProtocols.get(name)
  if (protocol?.kind !== 'connection') return undefined
  const front = protocol.createFront(createProtocolContext(context, spec, name))
  return { front, recognise: protocol.recognise && ((first) => protocol.recognise?.(first)), isHttp: false }
}

/** What a protocol has from its gateway, on one listener. */
export function createProtocolContext(context: ExchangeContext, spec: ResolvedListener, protocol: string): ProtocolContext {
  const { limits, timeouts } = spec
  return {
    protocol,
    limits,
    timeouts,
    get hasHosts() {
      return context.table().routes.some(({ spec: { match } }) => match?.protocol === protocol && match.hosts !== undefined)
    },
    forward: (connection, request, handler) => context.streams.forward(protocol, connection, request, handler),
  }
}

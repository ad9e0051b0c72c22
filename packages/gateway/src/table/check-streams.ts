import { checkOneOf, invalidError } from '@sd/core'
import type { GatewayProtocol } from '../protocol.ts'
import { streamsOf } from '../protocol-set.ts'
import type { Problems } from './problems.ts'
import type { ListenerSpec, RouteSpec } from './table.ts'

/** Checks the protocols that a listener refers to, and whether they can share it. */
export function checkListenerProtocols(
  path: string,
  listener: ListenerSpec,
  protocols: readonly GatewayProtocol[] | undefined,
  problems: Problems,
): void {
  const names = listener.protocols
  if (!protocols || !Array.isArray(names)) return
  const streams = streamsOf(protocols)
  const known = ['http/1.1', 'h2', ...streams.map(({ name }) => name)]
  for (const [index, name] of names.entries()) {
    const field = `${path}.protocols[${index}]`
    problems.attempt(() => checkOneOf(field, name, known))
    const protocol = streams.find((one) => one.name === name)
    if (protocol?.kind === 'datagram') {
      if (names.length > 1) problems.add(invalidError(field, name, 'it alone: datagrams have a listener of their own'))
      if (listener.tls !== undefined) problems.add(invalidError(`${path}.tls`, 'TLS', `none with ${name}`))
      if (listener.proxyProtocol === 'required')
        problems.add(invalidError(`${path}.proxyProtocol`, 'required', `off with ${name}`))
    } else if (protocol && !protocol.recognise && index < names.length - 1) {
      problems.add(invalidError(field, name, 'it as the last: it takes all connections that no protocol before it recognises'))
    }
  }
}

const httpFields = ['redirect', 'respond', 'mirror', 'rewrite', 'headers', 'affinity', 'push', 'filters'] as const
const httpConditions = ['path', 'methods', 'headers', 'query'] as const

/** Refuses what only requests of HTTP have, for a route of another protocol. */
export function checkStreamRoute(path: string, route: RouteSpec, problems: Problems): void {
  const { match = {}, limits = {} } = route
  const refuse = (field: string): void =>
    problems.add(invalidError(`${path}.${field}`, 'it', `none with the protocol ${match.protocol}: only HTTP has it`))
  for (const field of httpFields) if (route[field] !== undefined) refuse(field)
  for (const field of httpConditions) if (match[field] !== undefined) refuse(`match.${field}`)
  if (limits.bodyBytes !== undefined) refuse('limits.bodyBytes')
  if (limits.replayBytes !== undefined) refuse('limits.replayBytes')
  if (typeof limits.rate?.key === 'object') refuse('limits.rate.key')
}

import type { ForwardRequest } from '@sd/client'
import type { ConvertedRequest, GatewayCall, GatewayProtocol } from '../protocol.ts'
import type { CompiledRoute } from '../routing/compiled-table.ts'
import type { CompiledTarget } from '../routing/compiled-target.ts'
import type { RoutedRequest } from '../routing/routed-request.ts'
import type { RouteSpec } from '../table/table.ts'
import type { ExchangeHead } from './exchange-head.ts'
import { withoutPort } from './message-rules.ts'

/** What an exchange adds to its route. */
export interface ForwardParts {
  readonly method: string
  readonly path: string
  /** Checked fields, which become those of the client. */
  readonly cleanHeaders: string[]
  readonly hasBody: boolean
  /** What is sent instead of method, path and body. */
  readonly converted?: ConvertedRequest | undefined
  readonly deadlineAt: number | undefined
  readonly upgrade: string | undefined
  readonly call: GatewayCall | undefined
}

/** The call of the client for a request of a route. Absent fields are left out: the defaults are the client's. */
export function toForwardRequest(route: CompiledRoute, target: CompiledTarget, parts: ForwardParts): ForwardRequest {
  const { timeouts, limits } = route.spec
  const { method, path, cleanHeaders, hasBody, converted, deadlineAt, upgrade, call } = parts
  const request: { -readonly [Key in keyof ForwardRequest]: ForwardRequest[Key] } = {
    service: target.service,
    method: converted?.method ?? method,
    path: converted?.path ?? route.rewritePath(path),
    cleanHeaders,
    hasBody,
  }
  if (converted) request.body = converted.body
  if (timeouts?.headMs !== undefined) request.headTimeoutMs = timeouts.headMs
  if (timeouts?.idleMs !== undefined) request.idleTimeoutMs = timeouts.idleMs
  if (timeouts?.maxMs !== undefined) request.maxDurationMs = timeouts.maxMs
  if (limits?.replayBytes !== undefined) request.replayBytes = limits.replayBytes
  if (deadlineAt !== undefined) request.deadlineAt = deadlineAt
  if (upgrade !== undefined) request.upgrade = upgrade
  if (call?.judge) request.judge = call.judge
  if (call?.deadlineFields) request.deadlineFields = call.deadlineFields
  if (target.accepts) request.filter = target.accepts
  if (target.session) request.prefer = target.session.prefer
  return request
}

/** What the route of a request is found by. */
export function toRoutedRequest({ method, connection, authority, path, protocol, rawHeaders }: ExchangeHead): RoutedRequest {
  return { listener: connection.listener, method, host: withoutPort(authority), path, protocol, rawHeaders }
}

/** The options of a route for a protocol: they are those of the protocol of its match. */
export function optionsOf(route: RouteSpec | undefined, { name }: Pick<GatewayProtocol, 'name'>): unknown {
  return route?.match?.protocol === name ? route.options : undefined
}

import { originOf, type TelemetryCall, type TelemetryChannel, type TelemetryEvents } from '@sd/core'
import { withoutQuery } from './ids.ts'

/** A log line. */
export interface LogLine {
  /** Level. */
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Constant description of the event. */
  readonly message: string
  /** Variable parts. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** Functions that describe the events of some channels. */
type EventLines = { readonly [Name in TelemetryChannel]?: (event: TelemetryEvents[Name]) => LogLine }

/** Maximum number of paths in a line about a configuration: at the start all paths are new. */
const maxPaths = 20

/** Log lines by event. Refusals and retries are `debug`, because the end of the call reports them too. */
export const eventLines: EventLines = {
  'sd:v1:backend:state': ({ backend, state, error }) => ({
    level: state === 'disconnected' ? 'warn' : 'info',
    message: `backend ${state}`,
    fields: { backend, err: error },
  }),
  'sd:v1:registration:state': ({ registry, service, instanceId, state, error }) => ({
    level: state === 'failed' ? 'error' : state === 'recovering' ? 'warn' : 'info',
    message: `registration ${state}`,
    fields: { registry, peer_service: service, instance_id: instanceId, err: error },
  }),
  'sd:v1:breaker:state': ({ breaker, state, previous, reason }) => ({
    level: state === 'open' || state === 'isolated' ? 'warn' : 'info',
    message: `breaker ${state}`,
    fields: { breaker, previous, reason },
  }),
  'sd:v1:endpoint:ejection': ({ service, instanceId, origin, monitor, ejection }) => ({
    level: ejection ? 'warn' : 'info',
    message: ejection ? 'endpoint ejected' : 'endpoint restored',
    fields: {
      peer_service: service,
      instance_id: instanceId,
      origin,
      monitor,
      reason: ejection?.reason,
      for_ms: ejection?.forMs,
    },
  }),
  'sd:v1:cluster:panic': ({ service, isPanic, healthyShare }) => ({
    level: isPanic ? 'error' : 'info',
    message: isPanic ? 'cluster in panic' : 'cluster out of panic',
    fields: { peer_service: service, healthy_share: healthyShare },
  }),
  'sd:v1:call:retry': ({ call, attempt, delayMs, status, error }) => ({
    level: 'debug',
    message: 'call retried',
    fields: { ...describeCall(call), attempt, delay_ms: delayMs, status, err: error },
  }),
  'sd:v1:call:hedge': ({ call, attempt, afterMs }) => ({
    level: 'debug',
    message: 'call hedged',
    fields: { ...describeCall(call), attempt, after_ms: afterMs },
  }),
  'sd:v1:call:collapse': ({ call }) => ({
    level: 'debug',
    message: 'call shares a response',
    fields: describeCall(call),
  }),
  'sd:v1:call:refused': ({ call, policy, name }) => ({
    level: 'debug',
    message: 'call refused',
    fields: { ...describeCall(call), policy, policy_name: name },
  }),
  'sd:v1:call:fallback': ({ call, error }) => ({
    level: 'warn',
    message: 'fallback used',
    fields: { ...describeCall(call), err: error },
  }),
  'sd:v1:config:update': ({ config, version, changed, error }) => ({
    level: error ? 'warn' : 'info',
    message: error ? 'config update rejected' : 'config updated',
    fields: error
      ? { config, version, err: error }
      : { config, version, changed: changed.slice(0, maxPaths), changed_count: changed.length },
  }),
  'sd:v1:config:write': ({ source, key, change, version, of, releaseId, author, comment }) => ({
    level: 'info',
    message: 'config written',
    fields: { source, key, change, version, of, release_id: releaseId, author, comment },
  }),
  'sd:v1:lock:state': ({ lock, key, state, token }) => ({
    level: state === 'lost' ? 'warn' : 'debug',
    message: `lock ${state}`,
    fields: { backend: lock, lock: key, token },
  }),
  'sd:v1:gateway:reload': ({ gateway, version, change, error }) => ({
    level: error ? 'warn' : 'info',
    message: error ? 'gateway table rejected' : 'gateway table applied',
    fields: { gateway, version, routes: describeParts(change?.routes), listeners: describeParts(change?.listeners), err: error },
  }),
  'sd:v1:gateway:refused': ({ listener, reason, remoteAddress }) => ({
    level: 'debug',
    message: 'gateway refused a connection',
    fields: { listener, reason, client_address: remoteAddress },
  }),
}

/** The line of a completed call. An error of the caller, such as an abort, is not a failure of the service. */
export function describeCallEnd({ call, status, error, attempts, durationMs }: TelemetryEvents['sd:v1:call:end']): LogLine {
  const isFailure = error ? originOf(error) !== 'caller' : status !== undefined && status >= 500
  return {
    level: isFailure ? 'warn' : 'debug',
    message: isFailure ? 'call failed' : 'call ended',
    fields: { ...describeCall(call), status, attempts, duration_ms: Math.round(durationMs), err: error },
  }
}

type TableChange = NonNullable<TelemetryEvents['sd:v1:gateway:reload']['change']>['routes']

/** Names of the parts of a table that are not as before, at most 20 of each kind. */
function describeParts(change: TableChange | undefined): Readonly<Record<string, unknown>> | undefined {
  if (!change) return undefined
  const { added, changed, removed } = change
  return { added: added.slice(0, maxPaths), changed: changed.slice(0, maxPaths), removed: removed.slice(0, maxPaths) }
}

function describeCall({ service, method, path }: TelemetryCall): Readonly<Record<string, unknown>> {
  return { peer_service: service, method, path: withoutQuery(path) }
}

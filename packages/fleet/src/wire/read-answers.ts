import type {
  AlertsAnswer,
  CallsAnswer,
  ClusterAnswer,
  ConfigAnswer,
  GatewayAnswer,
  HealthAnswer,
  LifecycleAnswer,
  LockAnswer,
} from '@sd/core'
import { HEALTH_STATUSES } from '@sd/core'
import { readError, readState } from './read-states.ts'
import {
  boolean,
  count,
  ignored,
  list,
  name,
  number,
  object,
  oneOf,
  optional,
  type Read,
  record,
  text,
  withDefault,
} from './shape.ts'

const health = oneOf(...HEALTH_STATUSES)
const dropRules = [
  'filter',
  'priority',
  'subset',
  'weight',
  'unhealthy',
  'draining',
  'ejected',
  'breaker',
  'isolated',
  'unreachable',
  'failing',
  'retry-after',
  'removed',
  'blocked',
] as const satisfies readonly NonNullable<ClusterAnswer['endpoints'][number]['dropped']>[]
type Outs = ClusterAnswer['endpoints'][number]['outs']
type Checks = ClusterAnswer['endpoints'][number]['checks']
type HealthChecks = HealthAnswer['checks']

/** Reads a rule that excludes an endpoint. One of a newer version is shown as `blocked`. */
function dropRule(value: unknown, field: string): (typeof dropRules)[number] {
  const rule = name(value, field)
  return dropRules.find((known) => known === rule) ?? 'blocked'
}

const check = {
  check: name,
  status: oneOf('healthy', 'unhealthy', 'unknown'),
  since: number,
  checkedAt: optional(number),
  error: optional(readError),
} as const

/** Reads the endpoints of a service as one caller sees them. */
export const readCluster: Read<ClusterAnswer> = object<ClusterAnswer>({
  service: name,
  isUnknown: boolean,
  isPanic: boolean,
  staleSince: optional(number),
  withoutPort: optional(count),
  held: optional(
    object<NonNullable<ClusterAnswer['held']>>({ since: number, until: number, reason: text, instanceIds: list(name) }),
  ),
  endpoints: list(
    object<ClusterAnswer['endpoints'][number]>({
      instanceId: name,
      origin: text,
      version: optional(text),
      zone: optional(text),
      health,
      weight: count,
      dropped: optional(dropRule),
      outs: list(
        object<Outs[number]>({
          reason: dropRule as Read<Outs[number]['reason']>,
          detail: optional(text),
          since: number,
          until: optional(number),
        }),
        16,
      ),
      checks: list(object<Checks[number]>(check), 16),
      latencyMs: count,
      active: count,
    }),
  ),
  omitted: withDefault(count, 0),
})

/** Reads how a client calls a service. */
export const readCalls: Read<CallsAnswer> = object<CallsAnswer>({
  service: name,
  balancer: text,
  operations: list(text, 1_000),
  policies: list(readState, 1_000),
  settings: record<string | number | boolean>((value, field) =>
    typeof value === 'boolean' || typeof value === 'number' ? value : text(value, field),
  ),
})

/** Reads the state of a configuration. */
export const readConfig: Read<ConfigAnswer> = object<ConfigAnswer>({
  config: name,
  version: count,
  updatedAt: number,
  digest: text,
  sources: list(
    object<ConfigAnswer['sources'][number]>({
      source: name,
      stale: optional(
        object<NonNullable<ConfigAnswer['sources'][number]['stale']>>({ since: number, error: readError, isSnapshot: boolean }),
      ),
      refused: optional(
        object<NonNullable<ConfigAnswer['sources'][number]['refused']>>({
          since: number,
          failures: list(
            object<NonNullable<ConfigAnswer['sources'][number]['refused']>['failures'][number]>({
              source: name,
              key: optional(text),
              line: optional(count),
              field: optional(text),
              message: text,
            }),
            20,
          ),
        }),
      ),
    }),
    100,
  ),
  explanation: ignored,
})

/** Reads rules, alerts, channels and silences. */
export const readAlerts: Read<AlertsAnswer> = object<AlertsAnswer>({
  rules: list(
    object<AlertsAnswer['rules'][number]>({
      name,
      metric: text,
      condition: text,
      threshold: optional(number),
      durationMs: optional(count),
      severity: name,
      channels: optional(list(name, 100)),
      enabled: boolean,
    }),
    1_000,
  ),
  alerts: list(
    object<AlertsAnswer['alerts'][number]>({
      id: text,
      rule: name,
      state: oneOf('pending', 'firing', 'resolved'),
      severity: name,
      labels: record(text),
      condition: text,
      threshold: optional(number),
      value: optional(number),
      activeAt: number,
      firingAt: optional(number),
      resolvedAt: optional(number),
      isSilenced: boolean,
    }),
    1_000,
  ),
  channels: list(
    object<AlertsAnswer['channels'][number]>({ name, waiting: count, sent: count, failed: count, dropped: count }),
    100,
  ),
  silences: list(
    object<AlertsAnswer['silences'][number]>({
      id: text,
      rule: optional(name),
      labels: optional(record(text)),
      endsAt: number,
      comment: text,
    }),
    1_000,
  ),
  evaluatedAt: optional(number),
})

/** Reads a held lock. */
export const readLock: Read<LockAnswer> = object<LockAnswer>({ lock: name, key: text, value: text, token: text, since: number })

/** Reads the lifecycle of a server. */
export const readLifecycle: Read<LifecycleAnswer> = object<LifecycleAnswer>({
  state: oneOf('created', 'starting', 'ready', 'stopping', 'stopped'),
  since: number,
  registration: optional(
    object<NonNullable<LifecycleAnswer['registration']>>({
      service: name,
      instanceId: name,
      state: oneOf('active', 'recovering', 'failed', 'closed'),
      lastError: optional(readError) as Read<never>,
    }),
  ),
})

/** Reads the health of a process. */
export const readHealth: Read<HealthAnswer> = object<HealthAnswer>({
  status: health,
  isLive: boolean,
  isReady: boolean,
  checks: list(object<HealthChecks[number]>({ ...check, kind: name, details: optional(record(text)) }), 200),
})

/** Reads a gateway. */
export const readGateway: Read<GatewayAnswer> = object<GatewayAnswer>({
  gateway: name,
  version: count,
  updatedAt: number,
  isReady: boolean,
  listeners: list(
    object<GatewayAnswer['listeners'][number]>({
      listener: name,
      host: text,
      port: count,
      protocols: list(name, 20),
      isSecure: boolean,
      connections: count,
    }),
    200,
  ),
  routes: list(
    object<GatewayAnswer['routes'][number]>({
      route: name,
      match: text,
      action: text,
      services: list(name, 100),
      filters: list(name, 100),
    }),
    1_000,
  ),
  omitted: withDefault(count, 0),
  refused: optional(object<NonNullable<GatewayAnswer['refused']>>({ at: number, error: readError })),
})

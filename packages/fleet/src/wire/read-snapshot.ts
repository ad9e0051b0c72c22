import { ADMIN_PROTOCOL, type EdgeCounts, LATENCY_BOUNDS, type ProcessSnapshot, type SystemReport } from '@sd/admin'
import { readAlerts, readConfig, readGateway, readHealth, readLifecycle, readLock } from './read-answers.ts'
import { readState } from './read-states.ts'
import {
  boolean,
  count,
  list,
  literal,
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

const readIdentity = object<ProcessSnapshot['info']>({
  protocol: literal(ADMIN_PROTOCOL),
  processId: name,
  host: text,
  pid: count,
  thread: optional(count),
  instances: list(object<ProcessSnapshot['info']['instances'][number]>({ service: name, instanceId: name }), 1_000),
  name,
  startedAt: number,
  now: number,
  node: text,
  packages: record(list(name, 10)),
  controls: list(oneOf('breakers', 'config', 'alerts', 'draining', 'registrations', 'histories', 'log-level', 'calls'), 20),
})

const readEdge = object<EdgeCounts>({
  service: name,
  instanceId: optional(name),
  total: count,
  failed: record(count),
  retries: count,
  hedges: count,
  refused: record(count),
  latency: readBuckets,
  latencySumMs: count,
})

/** One count for each bucket, regardless of how many an endpoint of another version has. */
function readBuckets(value: unknown, field: string): readonly number[] {
  const given = list(count, LATENCY_BOUNDS.length + 1)(value, field)
  return Array.from({ length: LATENCY_BOUNDS.length + 1 }, (_, index) => given[index] ?? 0)
}

const readSystem = object<SystemReport>({
  cpu: count,
  residentBytes: count,
  heapUsedBytes: count,
  heapLimitBytes: count,
  loopDelayMs: count,
  uptimeMs: count,
  databases: list(
    object<SystemReport['databases'][number]>({
      database: name,
      isUp: boolean,
      latencyMs: optional(count),
      details: optional(record(number)),
    }),
    100,
  ),
})

/** Reads what a process answers to a poll. */
export const readSnapshot: Read<ProcessSnapshot> = object<ProcessSnapshot>({
  info: readIdentity,
  states: list(readState),
  edges: object<ProcessSnapshot['edges']>({ since: number, edges: list(readEdge), omitted: withDefault(count, 0) }),
  system: readSystem,
  lifecycles: list(readLifecycle, 100),
  health: list(readHealth, 100),
  alerts: list(readAlerts, 20),
  locks: list(readLock, 1_000),
  configs: list(readConfig, 100),
  gateways: list(readGateway, 20),
})

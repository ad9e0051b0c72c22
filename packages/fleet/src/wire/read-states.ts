import type { StateReport, WireError } from '@sd/core'
import { boolean, byKind, count, list, literal, name, number, object, oneOf, optional, type Read, record, text } from './shape.ts'

type StateOf<Kind extends StateReport['kind']> = Extract<StateReport, { kind: Kind }>

const errorFields = object<{
  code: string
  message: string
  retryable: boolean
  field: string | undefined
  retryAfterMs: number | undefined
  causes: readonly string[] | undefined
}>({
  code: name,
  message: text,
  retryable: boolean,
  field: optional(text),
  retryAfterMs: optional(count),
  causes: optional(list(text, 5)),
})

/** Reads an error. */
export const readError: Read<WireError> = (value, field) => errorFields(value, field) as WireError

const readOutBy = record(count) as Read<NonNullable<StateOf<'cluster'>['outBy']>>

/** Reads a state report. */
export const readState: Read<StateReport> = byKind<StateReport>({
  backend: object<StateOf<'backend'>>({
    kind: literal('backend'),
    backend: name,
    role: optional(oneOf('registry', 'config', 'lock', 'rate-limit')),
    state: oneOf('connected', 'disconnected', 'closed'),
    since: optional(number),
    lastError: optional(readError),
  }),
  registration: object<StateOf<'registration'>>({
    kind: literal('registration'),
    registry: name,
    service: name,
    instanceId: name,
    state: oneOf('active', 'recovering', 'failed', 'closed'),
    since: optional(number),
    lastError: optional(readError),
  }),
  cluster: object<StateOf<'cluster'>>({
    kind: literal('cluster'),
    service: name,
    instances: object<StateOf<'cluster'>['instances']>({ healthy: count, unhealthy: count, draining: count, unknown: count }),
    eligible: count,
    ejected: count,
    out: count,
    outBy: readOutBy,
    isPanic: boolean,
    held: count,
    staleForMs: count,
    startedAt: number,
    hits: count,
    misses: count,
    updates: count,
  }),
  breaker: object<StateOf<'breaker'>>({
    kind: literal('breaker'),
    breaker: name,
    service: name,
    instanceId: optional(name),
    state: oneOf('closed', 'open', 'half-open', 'isolated'),
    since: optional(number),
    reason: optional(oneOf('failure-rate', 'slow-call-rate', 'open-time-over', 'recovered', 'manual')),
  }),
  limit: object<StateOf<'limit'>>({
    kind: literal('limit'),
    limit: name,
    service: name,
    max: count,
    active: count,
    waiting: count,
  }),
  'retry-budget': object<StateOf<'retry-budget'>>({ kind: literal('retry-budget'), service: name, available: number }),
  config: object<StateOf<'config'>>({
    kind: literal('config'),
    config: name,
    version: count,
    updatedAt: number,
    staleSources: list(name, 100),
    refusedSources: list(name, 100),
    degradedForMs: count,
    digest: optional(name),
  }),
  gateway: object<StateOf<'gateway'>>({
    kind: literal('gateway'),
    gateway: name,
    version: count,
    updatedAt: number,
    isReady: boolean,
    requests: count,
    listeners: list(object<StateOf<'gateway'>['listeners'][number]>({ listener: name, connections: count }), 100),
  }),
})

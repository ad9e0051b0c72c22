import type { MetricRows } from '../metric-definition.ts'

/** From 100 ms to a day: locks of leaders are held for long. */
const holdTimes = [0.1, 1, 10, 60, 300, 900, 3_600, 14_400, 86_400]

/** Metrics of policies, balancers, monitors, registries, Discovery, configurations, locks and caches. */
export const componentMetrics: MetricRows = {
  'breaker.transitions': {
    kind: 'counter',
    unit: '{transition}',
    labels: ['breaker', 'state', 'reason'],
    help: 'State changes of circuit breakers, by new state and reason.',
  },
  'rate_limit.decisions': {
    kind: 'counter',
    unit: '{decision}',
    labels: ['limiter', 'decision', 'degraded'],
    help: 'Rate limit decisions; degraded is how the limiter decided while its backend was unreachable, otherwise none.',
  },
  'server.refusals': {
    kind: 'counter',
    unit: '{request}',
    labels: ['server', 'reason', 'priority'],
    help: 'Requests that a server rejected, by reason and priority (none if the request has no priority).',
  },
  'sticky.picks': {
    kind: 'counter',
    unit: '{pick}',
    labels: ['service', 'balancer', 'outcome'],
    help: 'Picks of sticky balancers: hit is the endpoint of the session, started that of a new one, moved and diverted another one for good or once, unkeyed a request without a session.',
  },
  'sticky.session_changes': {
    kind: 'counter',
    unit: '{change}',
    labels: ['service', 'balancer', 'change'],
    help: 'Sessions of sticky balancers that started, moved to another endpoint, expired, or were evicted because the table was full.',
  },
  'subset.picks': {
    kind: 'counter',
    unit: '{pick}',
    labels: ['service', 'subset', 'outcome'],
    help: 'Picks of subset balancers, by subset (lane) and where the request went: subset, base, or none without an available instance.',
  },
  'endpoint.ejections': {
    kind: 'counter',
    unit: '{ejection}',
    labels: ['service', 'monitor', 'reason'],
    perInstance: true,
    help: 'Ejections of endpoints by a monitor.',
  },
  'endpoint.restores': {
    kind: 'counter',
    unit: '{restore}',
    labels: ['service', 'monitor'],
    perInstance: true,
    help: 'Endpoints that a monitor restored after an ejection.',
  },
  'cluster.panics': {
    kind: 'counter',
    unit: '{panic}',
    labels: ['service'],
    help: 'Times a cluster entered panic: too few healthy endpoints, so all are used.',
  },
  'discovery.instance_changes': {
    kind: 'counter',
    unit: '{change}',
    labels: ['service', 'change'],
    help: 'Instances added, updated or removed in the instance list.',
  },
  'health.checks': {
    kind: 'counter',
    unit: '{check}',
    labels: ['service', 'check', 'code'],
    perInstance: true,
    help: 'Completed active health checks, by error code, or ok.',
  },
  'health.check.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['service', 'check'],
    help: 'Duration of active health checks.',
  },
  'faults.injected': {
    kind: 'counter',
    unit: '{fault}',
    labels: ['service', 'rule', 'fault', 'side'],
    help: 'Injected faults, by rule, kind and side.',
  },
  'http_cache.requests': {
    kind: 'counter',
    unit: '{request}',
    labels: ['cache', 'result'],
    help: 'Requests to an HTTP cache: hit and stale came from the cache, validate and miss went to the service.',
  },
  'backend.operations': {
    kind: 'counter',
    unit: '{operation}',
    labels: ['backend', 'operation', 'code'],
    help: 'Completed operations on registries, configuration sources and locks, by error code, or ok.',
  },
  'backend.operation.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['backend', 'operation'],
    help: 'Duration of operations on registries, configuration sources and locks.',
  },
  'backend.state_changes': {
    kind: 'counter',
    unit: '{change}',
    labels: ['backend', 'state'],
    help: 'State changes of connections to registries, configuration sources, locks and limiters.',
  },
  'registration.state_changes': {
    kind: 'counter',
    unit: '{change}',
    labels: ['registry', 'service', 'state'],
    help: 'State changes of registrations, by new state.',
  },
  'lock.state_changes': {
    kind: 'counter',
    unit: '{change}',
    labels: ['lock', 'state'],
    help: 'Locks that were acquired, released or lost.',
  },
  'locks.held': { kind: 'gauge', unit: '{lock}', labels: ['lock'], help: 'Locks that this process holds.' },
  'lock.hold.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['lock', 'state'],
    buckets: holdTimes,
    help: 'Time from acquiring a lock to releasing or losing it.',
  },
  'config.updates': {
    kind: 'counter',
    unit: '{update}',
    labels: ['config', 'code'],
    help: 'Configuration updates, by error code of a rejected update, or ok.',
  },
  'config.update.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['config'],
    help: 'Time to read, decrypt, merge and validate a configuration update.',
  },
}

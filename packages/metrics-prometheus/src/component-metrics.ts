import type { MetricContext } from './metric-context.ts'

/** Measures policies, monitors, registries, Discovery and configurations. */
export function measureComponents(context: MetricContext): void {
  measurePolicies(context)
  measureEndpoints(context)
  measureRegistries(context)
  measureConfigs(context)
}

function measurePolicies({ series, listen }: MetricContext): void {
  const transitions = series.counter({
    name: 'breaker_transitions_total',
    help: 'State changes of circuit breakers, by new state and reason.',
    labelNames: ['breaker', 'state', 'reason'],
  })
  const decisions = series.counter({
    name: 'rate_limit_decisions_total',
    help: 'Rate limit decisions; degraded is how the limiter decided while its backend was unreachable, otherwise none.',
    labelNames: ['limiter', 'decision', 'degraded'],
  })
  const refusals = series.counter({
    name: 'server_refusals_total',
    help: 'Requests that a server rejected, by reason and priority (none if the request has no priority).',
    labelNames: ['server', 'reason', 'priority'],
  })
  listen('sd:v1:server:refused', ({ server, reason, priority = 'none' }) => refusals.add([server, reason, priority]))
  listen('sd:v1:breaker:state', ({ breaker, state, reason }) => transitions.add([breaker, state, reason]))
  listen('sd:v1:rate-limit:decision', ({ limiter, decision: { allowed, degraded = 'none' } }) =>
    decisions.add([limiter, allowed ? 'allowed' : 'refused', degraded]),
  )
}

function measureEndpoints({ series, listen, options, instanceName, instanceValue }: MetricContext): void {
  const ejections = series.counter({
    name: 'endpoint_ejections_total',
    help: 'Ejections of endpoints by a monitor.',
    labelNames: ['service', 'monitor', 'reason', ...instanceName],
  })
  const restores = series.counter({
    name: 'endpoint_restores_total',
    help: 'Endpoints that a monitor restored after an ejection.',
    labelNames: ['service', 'monitor', ...instanceName],
  })
  const panics = series.counter({
    name: 'cluster_panics_total',
    help: 'Times a cluster entered panic: too few healthy endpoints, so all are used.',
    labelNames: ['service'],
  })
  const changes = series.counter({
    name: 'discovery_instance_changes_total',
    help: 'Instances added, updated or removed in the instance list.',
    labelNames: ['service', 'change'],
  })
  const checks = series.counter({
    name: 'health_checks_total',
    help: 'Completed active health checks, by error code, or ok.',
    labelNames: ['service', 'check', 'code', ...instanceName],
  })
  const checkDuration = series.histogram({
    name: 'health_check_duration_seconds',
    help: 'Duration of active health checks.',
    labelNames: ['service', 'check'],
    buckets: options.buckets,
  })
  const faults = series.counter({
    name: 'faults_injected_total',
    help: 'Injected faults, by rule, kind and side.',
    labelNames: ['service', 'rule', 'fault', 'side'],
  })
  listen('sd:v1:fault:injected', ({ service, rule, faults: kinds, side }) => {
    for (const kind of kinds) faults.add([service, rule, kind, side])
  })
  listen('sd:v1:endpoint:ejection', ({ service, monitor, instanceId, ejection }) => {
    if (ejection) ejections.add([service, monitor, ejection.reason, ...instanceValue(instanceId)])
    else restores.add([service, monitor, ...instanceValue(instanceId)])
  })
  listen('sd:v1:cluster:panic', ({ service, isPanic }) => {
    if (isPanic) panics.add([service])
  })
  listen('sd:v1:discovery:update', ({ service, change }) => {
    for (const kind of ['added', 'updated', 'removed'] as const) changes.add([service, kind], change[kind].length)
  })
  listen('sd:v1:health:check', ({ service, check, instanceId, durationMs, error }) => {
    checks.add([service, check, error?.code ?? 'ok', ...instanceValue(instanceId)])
    checkDuration.observe([service, check], durationMs / 1_000)
  })
}

function measureRegistries({ series, listen, options }: MetricContext): void {
  const operations = series.counter({
    name: 'backend_operations_total',
    help: 'Completed operations on registries, configuration sources and locks, by error code, or ok.',
    labelNames: ['backend', 'operation', 'code'],
  })
  const operationDuration = series.histogram({
    name: 'backend_operation_duration_seconds',
    help: 'Duration of operations on registries, configuration sources and locks.',
    labelNames: ['backend', 'operation'],
    buckets: options.buckets,
  })
  const stateChanges = series.counter({
    name: 'backend_state_changes_total',
    help: 'State changes of connections to registries, configuration sources, locks and limiters.',
    labelNames: ['backend', 'state'],
  })
  const registrationChanges = series.counter({
    name: 'registration_state_changes_total',
    help: 'State changes of registrations, by new state.',
    labelNames: ['registry', 'service', 'state'],
  })
  listen('sd:v1:backend:operation', ({ backend, operation, durationMs, error }) => {
    operations.add([backend, operation, error?.code ?? 'ok'])
    operationDuration.observe([backend, operation], durationMs / 1_000)
  })
  listen('sd:v1:backend:state', ({ backend, state }) => stateChanges.add([backend, state]))
  listen('sd:v1:registration:state', ({ registry, service, state }) => registrationChanges.add([registry, service, state]))
}

function measureConfigs({ series, listen, options }: MetricContext): void {
  const updates = series.counter({
    name: 'config_updates_total',
    help: 'Configuration updates, by error code of a rejected update, or ok.',
    labelNames: ['config', 'code'],
  })
  const updateDuration = series.histogram({
    name: 'config_update_duration_seconds',
    help: 'Time to read, decrypt, merge and validate a configuration update.',
    labelNames: ['config'],
    buckets: options.buckets,
  })
  listen('sd:v1:config:update', ({ config, durationMs, error }) => {
    updates.add([config, error?.code ?? 'ok'])
    updateDuration.observe([config], durationMs / 1_000)
  })
}

import type { RecorderContext } from './recorder-context.ts'

/** Records policies, balancers, monitors, registries, Discovery, configurations and caches. */
export function recordComponents(context: RecorderContext): void {
  recordPolicies(context)
  recordBalancers(context)
  recordEndpoints(context)
  recordBackends(context)
  recordConfigs(context)
}

function recordPolicies({ series, listen }: RecorderContext): void {
  const transitions = series.counter('breaker.transitions')
  const decisions = series.counter('rate_limit.decisions')
  const refusals = series.counter('server.refusals')
  listen('sd:v1:server:refused', ({ server, reason, priority = 'none' }) => refusals.add([server, reason, priority]))
  listen('sd:v1:breaker:state', ({ breaker, state, reason }) => transitions.add([breaker, state, reason]))
  listen('sd:v1:rate-limit:decision', ({ limiter, decision: { allowed, degraded = 'none' } }) =>
    decisions.add([limiter, allowed ? 'allowed' : 'refused', degraded]),
  )
}

function recordBalancers({ series, listen }: RecorderContext): void {
  const stickyPicks = series.counter('sticky.picks')
  const sessions = series.counter('sticky.session_changes')
  const subsetPicks = series.counter('subset.picks')
  listen('sd:v1:sticky:pick', ({ service, balancer, outcome }) => stickyPicks.add([service, balancer, outcome]))
  listen('sd:v1:sticky:session', ({ service, balancer, change }) => {
    sessions.add([service, balancer, change])
    // So that the first eviction is an increase: Prometheus takes the first value of a series as its start.
    if (change === 'started') sessions.add([service, balancer, 'evicted'], 0)
  })
  listen('sd:v1:subset:pick', ({ service, subset, outcome }) => subsetPicks.add([service, subset, outcome]))
}

function recordEndpoints({ series, listen, instanceValue }: RecorderContext): void {
  const ejections = series.counter('endpoint.ejections')
  const restores = series.counter('endpoint.restores')
  const panics = series.counter('cluster.panics')
  const changes = series.counter('discovery.instance_changes')
  const checks = series.counter('health.checks')
  const checkDuration = series.histogram('health.check.duration')
  const faults = series.counter('faults.injected')
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

function recordBackends({ series, listen }: RecorderContext): void {
  const requests = series.counter('http_cache.requests')
  const operations = series.counter('backend.operations')
  const operationDuration = series.histogram('backend.operation.duration')
  const stateChanges = series.counter('backend.state_changes')
  const registrationChanges = series.counter('registration.state_changes')
  listen('sd:v1:http-cache:request', ({ cache, result }) => requests.add([cache, result]))
  listen('sd:v1:backend:operation', ({ backend, operation, durationMs, error }) => {
    operations.add([backend, operation, error?.code ?? 'ok'])
    operationDuration.observe([backend, operation], durationMs / 1_000)
  })
  listen('sd:v1:backend:state', ({ backend, state }) => stateChanges.add([backend, state]))
  listen('sd:v1:registration:state', ({ registry, service, state }) => registrationChanges.add([registry, service, state]))
}

function recordConfigs({ series, listen }: RecorderContext): void {
  const updates = series.counter('config.updates')
  const updateDuration = series.histogram('config.update.duration')
  listen('sd:v1:config:update', ({ config, durationMs, error }) => {
    updates.add([config, error?.code ?? 'ok'])
    updateDuration.observe([config], durationMs / 1_000)
  })
}

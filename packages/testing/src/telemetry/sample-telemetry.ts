import {
  createServiceInstance,
  createSnapshot,
  diffSnapshots,
  publishTelemetry,
  reportStates,
  SdError,
  type StateReport,
  type TelemetryCall,
} from '@sd/core'

/** Trace id in the `traceparent` of the calls of {@link createTelemetryCall}. */
export const telemetryTraceId = '4bf92f3577b34da6a3ce929d0e0e4736'

/** A call as the client publishes it: with more than telemetry promises. */
export function createTelemetryCall(
  change: Partial<TelemetryCall> = {},
  flags: string = '01',
): TelemetryCall & { headers: Record<string, string> } {
  const headers = { traceparent: `00-${telemetryTraceId}-00f067aa0ba902b7-${flags}` }
  return { service: 'orders', method: 'GET', path: '/', startedAt: performance.now(), headers, ...change }
}

/** One report of each kind. */
export const stateReports: readonly StateReport[] = [
  { kind: 'backend', backend: 'memory', state: 'connected' },
  { kind: 'registration', registry: 'memory', service: 'orders', instanceId: 'a', state: 'active' },
  {
    kind: 'cluster',
    service: 'orders',
    instances: { healthy: 4, unhealthy: 1, draining: 0, unknown: 0 },
    eligible: 3,
    ejected: 1,
    out: 3,
    outBy: { ejected: 1, 'retry-after': 2 },
    isPanic: false,
    held: 2,
    staleForMs: 1_500,
    startedAt: 1,
    hits: 10,
    misses: 1,
    updates: 2,
  },
  { kind: 'breaker', breaker: 'orders', service: 'orders', state: 'open' },
  { kind: 'breaker', breaker: 'orders', service: 'orders', instanceId: 'a', state: 'closed' },
  { kind: 'breaker', breaker: 'orders', service: 'orders', instanceId: 'b', state: 'half-open' },
  { kind: 'limit', limit: 'bulkhead', service: 'orders', max: 20, active: 7, waiting: 2 },
  { kind: 'retry-budget', service: 'orders', available: 11 },
  {
    kind: 'config',
    config: 'app',
    version: 3,
    updatedAt: 1_700_000_000_500,
    staleSources: ['center'],
    refusedSources: ['file', 'environment'],
    degradedForMs: 2_500,
  },
  {
    kind: 'gateway',
    gateway: 'edge',
    version: 7,
    updatedAt: 1_700_000_000_500,
    isReady: true,
    requests: 3,
    listeners: [{ listener: 'public', connections: 12 }],
  },
]

/** Publishes an event on every channel, and reports one state of each kind. @returns a function that ends the reports */
export function publishEverything(): () => void {
  const error = new SdError('SD_TIMEOUT', 'too late')
  const call = createTelemetryCall()
  const where = { service: 'orders', instanceId: 'a', origin: 'http://127.0.0.1:8080' }
  const instance = createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port: 8080 })
  const snapshot = createSnapshot({ service: 'orders', instances: [instance] })
  const decision = { allowed: false, limit: 1, remaining: 0, windowMs: 1, resetMs: 1, retryAfterMs: 1, degraded: 'open' } as const

  publishTelemetry('sd:v1:call:start', { call })
  publishTelemetry('sd:v1:attempt:end', { ...where, call, status: 503, durationMs: 40, latencyMs: 20, attempts: 1 })
  publishTelemetry('sd:v1:call:retry', { call, attempt: 1, delayMs: 5, status: 503 })
  publishTelemetry('sd:v1:attempt:end', { ...where, call, error, durationMs: 300, attempts: 2 })
  publishTelemetry('sd:v1:call:retry', { call, attempt: 2, delayMs: 5, error })
  publishTelemetry('sd:v1:call:hedge', { call, attempt: 3, afterMs: 50 })
  publishTelemetry('sd:v1:call:hedged', { call, winner: 'hedge' })
  publishTelemetry('sd:v1:call:collapse', { call })
  publishTelemetry('sd:v1:call:refused', { call, policy: 'breaker', name: 'orders' })
  publishTelemetry('sd:v1:call:fallback', { call, error })
  publishTelemetry('sd:v1:call:end', { call, status: 200, durationMs: 700, attempts: 3 })
  publishTelemetry('sd:v1:call:end', { call: createTelemetryCall({ method: 'BREW' }, '00'), error, durationMs: 9, attempts: 0 })
  publishTelemetry('sd:v1:breaker:state', { breaker: 'orders', state: 'open', previous: 'closed', reason: 'failure-rate' })
  publishTelemetry('sd:v1:rate-limit:decision', { limiter: 'api', decision })
  publishTelemetry('sd:v1:endpoint:ejection', { ...where, monitor: 'outlier', ejection: { reason: 'consecutive-5xx' } })
  publishTelemetry('sd:v1:endpoint:ejection', { ...where, monitor: 'outlier' })
  publishTelemetry('sd:v1:cluster:panic', { service: 'orders', isPanic: true, healthyShare: 0.4 })
  publishTelemetry('sd:v1:cluster:panic', { service: 'orders', isPanic: false, healthyShare: 0.6 })
  publishTelemetry('sd:v1:discovery:update', { service: 'orders', snapshot, change: diffSnapshots(undefined, snapshot) })
  const checked = {
    service: 'orders',
    instanceId: 'a',
    check: 'http',
    durationMs: 3,
    checkedAt: 1,
    since: 1,
    status: 'healthy',
  } as const
  publishTelemetry('sd:v1:health:check', checked)
  publishTelemetry('sd:v1:health:check', { ...checked, error })
  publishTelemetry('sd:v1:backend:operation', { backend: 'memory', operation: 'getInstances', durationMs: 2 })
  publishTelemetry('sd:v1:backend:operation', { backend: 'memory', operation: 'getInstances', durationMs: 2, error })
  publishTelemetry('sd:v1:backend:state', { backend: 'memory', state: 'disconnected', error })
  publishTelemetry('sd:v1:registration:state', { registry: 'memory', service: 'orders', instanceId: 'a', state: 'active' })
  publishTelemetry('sd:v1:config:update', { config: 'app', version: 3, changed: ['db.pool.size'], durationMs: 4 })
  publishTelemetry('sd:v1:config:update', { config: 'app', version: 3, changed: [], durationMs: 2, error })
  publishTelemetry('sd:v1:server:refused', { server: 'api', reason: 'concurrency-limit', method: 'GET', priority: 'batch' })
  publishTelemetry('sd:v1:fault:injected', { service: 'orders', rule: 'slow', faults: ['delay', 'error'], side: 'client' })
  publishTelemetry('sd:v1:http-cache:request', { cache: 'shared', key: 'https://shop.example.com/a', result: 'hit' })
  publishBalancerEvents()
  publishLockEvents()
  publishTelemetry('sd:v1:config:write', { source: 'etcd', key: 'app.yaml', change: 'put', version: 3 })
  const alert = { rule: 'panic', severity: 'critical', labels: { service: 'orders' } } as const
  publishTelemetry('sd:v1:alert:state', { ...alert, state: 'firing', previous: 'pending', value: 1, isSilenced: false })
  publishGatewayEvents(error)
  return reportStates(() => stateReports)
}

function publishBalancerEvents(): void {
  const sticky = { balancer: 'sticky-p2c', service: 'orders' }
  for (const outcome of ['started', 'hit', 'unkeyed'] as const) publishTelemetry('sd:v1:sticky:pick', { ...sticky, outcome })
  for (const change of ['started', 'expired'] as const) publishTelemetry('sd:v1:sticky:session', { ...sticky, change })
  const lanes = { balancer: 'subset-p2c', service: 'orders' }
  publishTelemetry('sd:v1:subset:pick', { ...lanes, subset: 'canary', outcome: 'subset' })
  publishTelemetry('sd:v1:subset:pick', { ...lanes, subset: 'unknown', outcome: 'base' })
}

function publishLockEvents(): void {
  const lock = { lock: 'etcd', key: 'leader' }
  for (const token of ['1', '2', '3']) publishTelemetry('sd:v1:lock:state', { ...lock, token, state: 'acquired' })
  publishTelemetry('sd:v1:lock:state', { ...lock, token: '1', state: 'released' })
  publishTelemetry('sd:v1:lock:state', { ...lock, token: '2', state: 'lost' })
}

function publishGatewayEvents(error: SdError): void {
  const exchange = {
    id: 'r1',
    route: 'orders',
    service: 'orders',
    method: 'GET',
    path: '/orders/1?token=secret',
    authority: 'shop.example.com',
    clientAddress: '192.0.2.1',
    httpVersion: '2',
    connection: { listener: 'public', remoteAddress: '192.0.2.1' },
    header: () => undefined,
  }
  const outcome = {
    status: 200,
    durationMs: 40,
    firstByteMs: 20,
    bytesIn: 10,
    bytesOut: 1_000,
    affinity: 'kept',
    mirror: 'sent',
  } as const
  publishTelemetry('sd:v1:gateway:exchange', { exchange, outcome })
  publishTelemetry('sd:v1:gateway:exchange', { exchange, outcome: { ...outcome, status: 504, error } })
  const call = {
    protocol: 'grpc',
    route: 'carts',
    service: 'carts',
    method: '/shop.Carts/Get',
    durationMs: 40,
    messagesIn: 1,
    messagesOut: 2,
  }
  for (const grpcStatus of [0, 14]) publishTelemetry('sd:v1:gateway:call', { ...call, grpcStatus })
  const messages = { protocol: 'websocket', listener: 'public', route: 'chat', service: 'chat' }
  const counts = { messagesIn: 3, bytesIn: 120, messagesOut: 5, bytesOut: 900, end: undefined }
  publishTelemetry('sd:v1:gateway:messages', { ...messages, ...counts })
  publishTelemetry('sd:v1:gateway:messages', { ...messages, ...counts, end: { reason: 'client', closeCode: 1000 } })
  const connection = { listener: 'public', protocol: 'h2' }
  publishTelemetry('sd:v1:gateway:connection', { ...connection, state: 'opened' })
  publishTelemetry('sd:v1:gateway:connection', { ...connection, state: 'closed', durationMs: 900, reason: 'client' })
  for (const reason of ['connections', 'tls'] as const) {
    publishTelemetry('sd:v1:gateway:refused', { listener: 'public', remoteAddress: '192.0.2.1', reason })
  }
  const change = { added: ['orders'], changed: [], removed: [], unchanged: [] }
  const reload = { gateway: 'edge', version: 7, durationMs: 5 }
  publishTelemetry('sd:v1:gateway:reload', { ...reload, change: { routes: change, listeners: change } })
  publishTelemetry('sd:v1:gateway:reload', { ...reload, error })
}

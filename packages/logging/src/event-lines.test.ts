import { publishTelemetry, SdError } from '@sd/core'
import { expect, onTestFinished, test } from 'vitest'
import { createServiceLogging } from './index.ts'
import { createCollectingLogger } from './testing/lines.ts'

const error = new SdError('SD_UNAVAILABLE', 'away')
const call = { service: 'stock', method: 'GET', path: '/items?token=hunter2', startedAt: 0 }
const instance = { service: 'stock', instanceId: 'i1' }
const { origin, monitor } = { origin: 'http://127.0.0.1:1', monitor: 'outliers' }

function publishAll(): void {
  publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'disconnected', error })
  publishTelemetry('sd:v1:backend:state', { backend: 'consul', state: 'connected' })
  publishTelemetry('sd:v1:registration:state', { registry: 'consul', ...instance, state: 'recovering', error })
  publishTelemetry('sd:v1:registration:state', { registry: 'consul', ...instance, state: 'failed', error })
  publishTelemetry('sd:v1:registration:state', { registry: 'consul', ...instance, state: 'active' })
  publishTelemetry('sd:v1:breaker:state', { breaker: 'b', state: 'open', previous: 'closed', reason: 'failure-rate' })
  publishTelemetry('sd:v1:breaker:state', { breaker: 'b', state: 'half-open', previous: 'open', reason: 'open-time-over' })
  publishTelemetry('sd:v1:endpoint:ejection', {
    ...instance,
    origin,
    monitor,
    ejection: { reason: 'consecutive-5xx', forMs: 30_000 },
  })
  publishTelemetry('sd:v1:endpoint:ejection', { ...instance, origin, monitor })
  publishTelemetry('sd:v1:cluster:panic', { service: 'stock', isPanic: true, healthyShare: 0.4 })
  publishTelemetry('sd:v1:cluster:panic', { service: 'stock', isPanic: false, healthyShare: 1 })
  publishTelemetry('sd:v1:call:retry', { call, attempt: 1, delayMs: 50, status: 503 })
  publishTelemetry('sd:v1:call:hedge', { call, attempt: 2, afterMs: 100 })
  publishTelemetry('sd:v1:call:collapse', { call })
  publishTelemetry('sd:v1:call:refused', { call, policy: 'breaker', name: 'b' })
  publishTelemetry('sd:v1:call:fallback', { call, error })
  publishTelemetry('sd:v1:config:update', { config: 'app', version: 2, changed: ['db.pool.size', 'db.password'], durationMs: 3 })
  publishTelemetry('sd:v1:config:update', { config: 'app', version: 2, changed: [], durationMs: 3, error })
  publishTelemetry('sd:v1:config:write', {
    source: 'etcd',
    key: 'app.yaml',
    change: 'rollback',
    version: 4,
    of: 2,
    author: 'ann',
  })
  publishTelemetry('sd:v1:lock:state', { lock: 'etcd', key: 'job', state: 'acquired', token: '7' })
  publishTelemetry('sd:v1:lock:state', { lock: 'etcd', key: 'job', state: 'lost', token: '7' })
  const routes = { added: ['orders'], changed: [], removed: ['carts'], unchanged: ['users'] }
  const listeners = { added: [], changed: [], removed: [], unchanged: ['edge'] }
  publishTelemetry('sd:v1:gateway:reload', { gateway: 'edge', version: 2, durationMs: 3, change: { routes, listeners } })
  publishTelemetry('sd:v1:gateway:reload', { gateway: 'edge', version: 2, durationMs: 3, error })
  publishTelemetry('sd:v1:gateway:refused', { listener: 'edge', reason: 'tls', remoteAddress: '192.0.2.1' })
}

test('events become lines outside of any request', async () => {
  const { logger, context, lines, text } = createCollectingLogger()
  const logging = createServiceLogging({ logger, context })
  context.run({ request_id: 'another one' }, publishAll)
  await logging.close()
  publishAll()
  expect(text()).not.toContain('hunter2')
  expect(text()).not.toContain('another one')
  expect(lines().map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
    'warn: backend disconnected',
    'info: backend connected',
    'warn: registration recovering',
    'error: registration failed',
    'info: registration active',
    'warn: breaker open',
    'info: breaker half-open',
    'warn: endpoint ejected',
    'info: endpoint restored',
    'error: cluster in panic',
    'info: cluster out of panic',
    'debug: call retried',
    'debug: call hedged',
    'debug: call shares a response',
    'debug: call refused',
    'warn: fallback used',
    'info: config updated',
    'warn: config update rejected',
    'info: config written',
    'debug: lock acquired',
    'warn: lock lost',
    'info: gateway table applied',
    'warn: gateway table rejected',
    'debug: gateway refused a connection',
  ])
  expect(lines()[0]).toMatchObject({ backend: 'consul', err: { name: 'SdError', code: 'SD_UNAVAILABLE', message: 'away' } })
  expect(lines()[7]).toMatchObject({ peer_service: 'stock', instance_id: 'i1', reason: 'consecutive-5xx', for_ms: 30_000 })
  expect(lines()[11]).toMatchObject({ peer_service: 'stock', path: '/items', attempt: 1, delay_ms: 50, status: 503 })
  expect(lines()[16]).toMatchObject({ config: 'app', version: 2, changed: ['db.pool.size', 'db.password'], changed_count: 2 })
  expect(lines()[17]).toMatchObject({ config: 'app', version: 2, err: { code: 'SD_UNAVAILABLE' } })
  expect(lines()[18]).toMatchObject({ source: 'etcd', key: 'app.yaml', change: 'rollback', version: 4, of: 2, author: 'ann' })
  expect(lines()[20]).toMatchObject({ backend: 'etcd', lock: 'job', token: '7' })
  expect(lines()[21]).toMatchObject({
    gateway: 'edge',
    version: 2,
    routes: { added: ['orders'], changed: [], removed: ['carts'] },
  })
  expect(lines()[22]).toMatchObject({ gateway: 'edge', version: 2, err: { code: 'SD_UNAVAILABLE' } })
  expect(lines()[23]).toMatchObject({ listener: 'edge', reason: 'tls', client_address: '192.0.2.1' })
})

test('a line contains only some of many changed paths', () => {
  const { logger, context, lines } = createCollectingLogger()
  const logging = createServiceLogging({ logger, context })
  onTestFinished(logging.close)
  const changed = Array.from({ length: 1_000 }, (_, index) => `flags.${index}`)
  publishTelemetry('sd:v1:config:update', { config: 'app', version: 1, changed, durationMs: 3 })
  expect(lines()).toMatchObject([{ changed: changed.slice(0, 20), changed_count: 1_000 }])
})

test('events can be disabled', () => {
  const { logger, context, lines } = createCollectingLogger()
  createServiceLogging({ logger, context, events: false })
  publishAll()
  expect(lines()).toEqual([])
})

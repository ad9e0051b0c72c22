import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { createAlerts } from '@sd/alerts'
import {
  answerInquiries,
  type GatewayAnswer,
  type HealthAnswer,
  type LifecycleAnswer,
  type LockAnswer,
  publishTelemetry,
  SdError,
  toWireError,
} from '@sd/core'
import { expect, test } from 'vitest'
import type { ProcessSnapshot, SamplesReport } from './index.ts'
import { ask, change } from './testing/ask.ts'
import { followEvents } from './testing/read-events.ts'
import { compareShapes, shapeOf } from './testing/shape.ts'
import { startWorld, type World } from './testing/world.ts'

// The answers of the first release, as a reader of that time knows them. To write it again on purpose:
// SD_WRITE_FIXTURES=1 pnpm vitest run --config ../../vitest.package.ts src/wire.test.ts
const fixture = new URL('./testing/wire-v1.json', import.meta.url)
const paths = [
  '/',
  '/snapshot',
  '/states',
  '/endpoints',
  '/calls',
  '/config?path=pool',
  '/alerts',
  '/locks',
  '/lifecycle',
  '/health',
  '/gateways',
  '/edges',
  '/samples',
  '/slow',
  '/histories',
  '/histories/orders',
  '/histories/orders/diff?before=1&after=2',
  '/nothing',
]

const error = toWireError(new SdError('SD_INVALID', 'Invalid a: …', { field: 'a', retryAfterMs: 5, cause: new Error('b') }))
const lock: LockAnswer = { lock: 'etcd', key: 'leader', value: 'orders-1', token: '7', since: 1 }
const registration = { service: 'orders', instanceId: 'orders-1', state: 'recovering', lastError: error } as const
const lifecycle: LifecycleAnswer = { state: 'ready', since: 1, registration }
const check = { check: 'db', kind: 'readiness', status: 'unhealthy', since: 1, checkedAt: 2, error, details: { a: 'b' } } as const
const health: HealthAnswer = { status: 'unhealthy', isLive: true, isReady: false, checks: [check] }
const gateway: GatewayAnswer = {
  gateway: 'edge',
  version: 2,
  updatedAt: 1,
  isReady: true,
  listeners: [{ listener: 'public', host: '0.0.0.0', port: 443, protocols: ['h2'], isSecure: true, connections: 3 }],
  routes: [{ route: 'a', match: '/a/*', action: 'orders', services: ['orders'], filters: ['cors'] }],
  omitted: 0,
  refused: { at: 1, error },
}

/** Makes every part of the answers appear. */
async function prepare({ client, registry }: World, stack: AsyncDisposableStack): Promise<void> {
  stack.defer(answerInquiries('locks', () => [lock]))
  stack.defer(answerInquiries('lifecycle', () => [lifecycle]))
  stack.defer(answerInquiries('health', () => [health]))
  stack.defer(answerInquiries('gateways', () => [gateway]))
  await registry.register({ service: 'stock', id: 'stock-2', address: '10.0.0.9', port: 1, health: 'draining', version: '1.0.0' })
  for (const path of ['/', '/fail']) await (await client.get('stock', path)).text()
  client.breaker('stock')?.isolate()
  await client.get('stock', '/').catch(() => undefined)
  const rule = { name: 'up', metric: 'm', condition: '>', threshold: 1, durationMs: 0, severity: 'warning' } as const
  const source = () => [{ name: 'm', labels: { service: 'stock' }, value: 2 }]
  const channel = { name: 'none', send: () => Promise.resolve() }
  const alerts = stack.use(createAlerts({ source, rules: [rule], channels: [channel] }))
  await alerts.evaluate()
  alerts.silence({ rule: 'up', labels: { service: 'x' }, durationMs: 60_000, comment: 'x' })
  publishTelemetry('sd:v1:endpoint:ejection', { service: 'stock', instanceId: 'stock-1', origin: 'http://x', monitor: 'm' })
}

test('every field of the answers of version 1 is still there, with the same type', async () => {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await startWorld())
  const { client, history } = world
  const server = await world.serve({ controls: { client, allowCalls: true, histories: { orders: history } } })
  await prepare(world, stack)
  await expect
    .poll(async () => (await ask(`${server.origin}/sd/v1/samples?service=stock`)).json<SamplesReport>().series.length)
    .toBe(3)
  const { configs, alerts } = (await ask(`${server.origin}/sd/v1/snapshot`)).json<ProcessSnapshot>()
  expect([configs.length, alerts.length]).toEqual([1, 2])
  const answers: Record<string, unknown> = {}
  for (const path of paths) answers[path] = (await ask(`${server.origin}/sd/v1${path}`)).json()
  client.breaker('stock')?.close()
  const tried = await change(`${server.origin}/sd/v1/calls/try`, { service: 'stock', path: '/', reason: 'x' })
  answers['POST /calls/try'] = tried.json()
  const reader = await followEvents(server.origin)
  await expect
    .poll(() => reader.events.map(({ kind }) => kind))
    .toEqual(expect.arrayContaining(['change', 'lifecycle', 'ejection']))
  reader.close()
  answers['/events'] = reader.events
  if (process.env['SD_WRITE_FIXTURES']) writeFileSync(fixture, `${JSON.stringify(answers, withoutMachine, 2)}\n`)
  const before = JSON.parse(readFileSync(fixture, 'utf8')) as unknown
  expect(compareShapes(shapeOf([before]), shapeOf([answers]))).toEqual([])
})

/** Leaves out what is about this machine and this workspace. */
function withoutMachine(name: string, value: unknown): unknown {
  if (name === 'host' && value === hostname()) return 'host-1'
  return name === 'packages' ? { '@sd/core': ['1.0.0'] } : value
}

test.each<[string, unknown, unknown, readonly string[]]>([
  ['nothing is lost', { a: [1, { b: 'x' }] }, { a: [2, { b: 'y', c: 1 }], d: 1 }, []],
  ['a lost field', { a: { b: 1 } }, { a: {} }, ['/a/b is missing']],
  ['a lost field of items', { a: [{ b: 1 }] }, { a: [{}] }, ['/a/[]/b is missing']],
  ['another type', { a: 1, b: null }, { a: '1', b: null }, ['/a: was number, is string']],
])('the comparison notices: %s', (_, before, now, expected) => {
  expect(compareShapes(shapeOf([before]), shapeOf([now]))).toEqual(expected)
})

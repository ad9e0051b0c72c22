import { answerInquiries, publishTelemetry, SdError } from '@sd/core'
import { createDatabaseCollector, createMetrics } from '@sd/metrics-prometheus'
import { describe, expect, test } from 'vitest'
import {
  createAdmin,
  type EdgesReport,
  type ProcessInfo,
  type ProcessSnapshot,
  type SamplesReport,
  type SlowReport,
  type StatesReport,
} from './index.ts'
import { ask } from './testing/ask.ts'
import { startWorld } from './testing/world.ts'

describe('the process', () => {
  test('has an id, its instances and the versions of its packages', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const info = (await ask(`${server.origin}/sd/v1`)).json<ProcessInfo>()
    expect(info).toMatchObject({ protocol: 1, pid: process.pid, name: 'stock', node: process.version, controls: [] })
    expect(info.instances).toEqual([{ service: 'stock', instanceId: 'stock-1' }])
    expect(info.packages['@sd/core']).toHaveLength(1)
    expect(info.startedAt).toBeLessThanOrEqual(info.now)
    await using second = await world.serve({ name: 'cron', self: { service: 'jobs', instanceId: 'j1' } })
    const other = (await ask(`${second.origin}/sd/v1/`)).json<ProcessInfo>()
    expect([other.processId, other.name]).toEqual([info.processId, 'cron'])
    expect(other.instances).toContainEqual({ service: 'jobs', instanceId: 'j1' })
  })

  test('HEAD has the header fields of GET and no body', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const { status, text, headers } = await ask(`${server.origin}/sd/v1/states`, { method: 'HEAD' })
    expect([status, text, Number(headers['content-length']) > 2]).toEqual([200, '', true])
  })
})

describe('calls', () => {
  test('are counted by service and instance, with failures, retries and refusals', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const { client } = world
    for (let call = 0; call < 3; call++) await (await client.get('stock', '/')).text()
    await (await client.get('stock', '/fail')).text()
    client.breaker('stock')?.isolate()
    await client.get('stock', '/refused').catch(() => undefined)
    const call = { service: 'stock', method: 'GET', path: '/', startedAt: 0 }
    publishTelemetry('sd:v1:call:retry', { call, attempt: 1, delayMs: 5 })
    publishTelemetry('sd:v1:call:hedge', { call, attempt: 2, afterMs: 5 })
    const { edges, omitted } = (await ask(`${server.origin}/sd/v1/edges`)).json<EdgesReport>()
    expect(omitted).toBe(0)
    const [calls, attempts] = edges
    expect(calls).toMatchObject({
      service: 'stock',
      total: 5,
      failed: { 'HTTP 5xx': 1, SD_REJECTED: 1 },
      retries: 1,
      hedges: 1,
      refused: { 'breaker stock': 1 },
    })
    expect(calls?.latency.reduce((sum, count) => sum + count)).toBe(5)
    expect(attempts).toMatchObject({ service: 'stock', instanceId: 'stock-1', total: 4, failed: { 'HTTP 5xx': 1 } })
  })

  test('the slowest and the last failed ones are kept, with the instance', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    await (await world.client.get('stock', '/?q=1')).text()
    await (await world.client.get('stock', '/fail/later')).text()
    const call = { service: 'stock', method: 'GET', path: '/slow', startedAt: 0 }
    const error = new SdError('SD_TIMEOUT', 'too slow')
    publishTelemetry('sd:v1:call:end', { call, error, durationMs: 60_000, attempts: 2 })
    const { slowest, failed } = (await ask(`${server.origin}/sd/v1/slow`)).json<SlowReport>()
    expect(slowest.map(({ path }) => path)).toEqual(['/slow', expect.any(String), expect.any(String)])
    expect(failed).toMatchObject([
      { path: '/slow', error: { code: 'SD_TIMEOUT', message: 'too slow' }, attempts: 2, durationMs: 60_000 },
      { path: '/fail/later', status: 500, instanceId: 'stock-1', method: 'GET', service: 'stock' },
    ])
    expect(slowest.find(({ path }) => path === '/')).toMatchObject({ instanceId: 'stock-1', status: 200 })
  })

  test('have samples each second', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    await (await world.client.get('stock', '/fail')).text()
    const read = async (query = '') => (await ask(`${server.origin}/sd/v1/samples${query}`)).json<SamplesReport>()
    await expect.poll(async () => (await read('?series=calls')).series[0]?.values.includes(1)).toBe(true)
    const { series, intervalMs } = await read()
    expect(intervalMs).toBe(1_000)
    const names = series.map(({ name, service }) => (service === undefined ? name : `${name} ${service}`))
    const own = ['cpu', 'residentBytes', 'heapUsedBytes', 'loopDelayMs', 'calls', 'failed']
    expect(new Set(names)).toEqual(new Set([...own, 'calls stock', 'failed stock', 'meanMs stock']))
    expect((await read('?service=stock&series=failed')).series).toHaveLength(1)
  })
})

describe('/snapshot', () => {
  test('is everything at once, with an ETag that does not depend on the clock', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const first = await ask(`${server.origin}/sd/v1/snapshot`)
    const { info, states, edges, system } = first.json<ProcessSnapshot>()
    expect(info.name).toBe('stock')
    expect(states.map(({ kind }) => kind)).toContain('registration')
    expect(edges.edges).toEqual([])
    expect(system.heapLimitBytes).toBeGreaterThan(system.heapUsedBytes)
    const etag = String(first.headers.etag)
    await expect
      .poll(async () => {
        const again = await ask(`${server.origin}/sd/v1/snapshot`)
        const headers = { 'if-none-match': `"x", ${again.headers.etag}` }
        const { status, text } = await ask(`${server.origin}/sd/v1/snapshot`, { headers })
        return [status, text]
      })
      .toEqual([304, ''])
    await (await world.client.get('stock', '/')).text()
    const changed = await ask(`${server.origin}/sd/v1/snapshot`, { headers: { 'if-none-match': etag } })
    expect(changed.status).toBe(200)
    expect(changed.json<ProcessSnapshot>().edges.edges).toHaveLength(2)
  })

  test('has the databases of collectors and of health checks', async () => {
    await using world = await startWorld()
    using metrics = createMetrics()
    const pool = () => ({ size: 5, idle: 3, waiting: 1 })
    const ping = (): Promise<void> => Promise.resolve()
    metrics.addCollector(createDatabaseCollector({ name: 'orders-db', ping, pool }))
    metrics.addCollector(createDatabaseCollector({ name: 'dead-db', ping: () => Promise.reject(new Error('down')) }))
    const checks = ['redis', 'disk', 'postgres:users'].map(
      (check) => ({ check, kind: 'readiness', status: 'healthy', since: 1 }) as const,
    )
    const end = answerInquiries('health', () => [{ status: 'healthy', isLive: true, isReady: true, checks }])
    await using server = await world.serve({ metrics })
    const read = async () => (await ask(`${server.origin}/sd/v1/snapshot`)).json<ProcessSnapshot>().system.databases
    await expect.poll(read).toEqual([
      {
        database: 'orders-db',
        isUp: true,
        latencyMs: expect.any(Number),
        details: { idleConnections: 3, activeConnections: 2, waitingRequests: 1 },
      },
      { database: 'dead-db', isUp: false },
      { database: 'redis', isUp: true },
      { database: 'postgres:users', isUp: true },
    ])
    end()
  })

  test('is compressed for a reader that accepts it', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const url = `${server.origin}/sd/v1/snapshot`
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(await response.json()).toMatchObject({ info: { name: 'stock' } })
    expect((await ask(url, { headers: { 'accept-encoding': 'gzip;q=0' } })).json()).toMatchObject({ info: { name: 'stock' } })
  })

  test('a register that fails takes nothing else with it', async () => {
    await using world = await startWorld()
    const register = {
      getMetricsAsArray: () => {
        throw new Error('broken')
      },
    }
    await using server = await world.serve({ metrics: { register } })
    expect((await ask(`${server.origin}/sd/v1/snapshot`)).json<ProcessSnapshot>().system.databases).toEqual([])
  })
})

describe('inquiries', () => {
  test('narrow by the query', async () => {
    await using world = await startWorld()
    await using server = await world.serve()
    const asked: unknown[] = []
    const ends = (['endpoints', 'calls', 'config'] as const).map((kind) =>
      answerInquiries(kind, (asks) => {
        asked.push(asks)
        return []
      }),
    )
    await ask(`${server.origin}/sd/v1/endpoints?service=stock`)
    await ask(`${server.origin}/sd/v1/calls`)
    await ask(`${server.origin}/sd/v1/config?config=app&path=pool.size`)
    for (const end of ends) end()
    expect(asked).toEqual([{ service: 'stock' }, {}, { config: 'app', path: 'pool.size' }])
    const { states } = (await ask(`${server.origin}/sd/v1/states`)).json<StatesReport>()
    expect(states).toContainEqual(expect.objectContaining({ kind: 'config', config: 'app', version: 1 }))
  })
})

test.each<[string, object]>([
  ['authenticate', {}],
  ['hosts', { authenticate: 'loopback', hosts: 'x' }],
  ['hosts[0]', { authenticate: 'loopback', hosts: [5] }],
  ['historyMs', { authenticate: 'loopback', historyMs: -1 }],
  ['self.instanceId', { authenticate: 'loopback', self: { service: 'x' } }],
  ['metrics.register', { authenticate: 'loopback', metrics: {} }],
  ['controls.client.breaker', { authenticate: 'loopback', controls: { client: {} } }],
  ['controls.registrations', { authenticate: 'loopback', controls: { registrations: {} } }],
  ['controls.histories.a.rollback', { authenticate: 'loopback', controls: { histories: { a: {} } } }],
  ['controls.breakers', { authenticate: 'loopback', controls: { breakers: true } }],
  ['onAudit', { authenticate: 'loopback', onAudit: 'x' }],
  ['name', { authenticate: 'loopback', name: '' }],
])('createAdmin names the wrong option: %s', (field, options) => {
  expect(() => createAdmin(options as never)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AdminAlerts, serveAdmin } from '@sd/admin'
import { ADMIN_PORT } from '@sd/core'
import { createFleet, type FleetModel } from '@sd/fleet'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createDashboard, type DashboardOptions, serveDashboard } from './index.ts'
import type { ConfigAnswer, ModelUpdate } from './protocol.ts'
import { createScriptedFleet, type ScriptedFleet } from './testing/scripted-fleet.ts'
import { startConsole, type TestConsole, type TestConsoleOptions } from './testing/start-console.ts'

const authenticate = (): { readonly name: string; readonly canWrite: boolean } => ({ name: 'ann', canWrite: true })
/** Limit of a wait for a condition. */
const limitMs = 20_000
const page = { 'content-type': 'application/json', 'x-sd-console': '1', 'sec-fetch-site': 'same-origin' }

async function start(options: TestConsoleOptions = {}): Promise<TestConsole> {
  const console = await startConsole({ authenticate, write: true, ...options })
  onTestFinished(() => console[Symbol.asyncDispose]())
  return console
}

async function get(
  console: Pick<TestConsole, 'url'>,
  path: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(`${console.url}${path}`)
  return { status: response.status, body: await response.json() }
}

async function change(console: TestConsole, body: object): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(`${console.url}api/changes`, {
    method: 'POST',
    headers: page,
    body: JSON.stringify({ reason: 'a drill', ...body }),
  })
  return { status: response.status, body: await response.json() }
}

/** Follows the stream of models. */
async function follow(console: TestConsole): Promise<{ readonly updates: ModelUpdate[]; close(): void }> {
  const leave = new AbortController()
  onTestFinished(() => leave.abort())
  const response = await fetch(`${console.url}api/events`, { signal: leave.signal })
  const updates: ModelUpdate[] = []
  async function read(): Promise<void> {
    let rest = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const messages = `${rest}${chunk}`.split('\n\n')
      rest = messages.pop() ?? ''
      for (const message of messages) if (message.startsWith('data: ')) updates.push(JSON.parse(message.slice(6)) as ModelUpdate)
    }
  }
  read().catch(() => undefined)
  return { updates, close: () => leave.abort() }
}

describe('the model', () => {
  test('is sent whole, then as what changed', async () => {
    const console = await start()
    const { updates } = await follow(console)
    await eventually(() => expect(updates[0]).toMatchObject({ kind: 'whole', model: { services: { length: 4 } } }), limitMs)
    console.fleet.set('unhealthy', true)
    await eventually(() => expect(JSON.stringify(updates.at(-1))).toContain('no disk'), limitMs)
    const last = updates.at(-1)
    expect(last).toMatchObject({ kind: 'changes', lists: { problems: { put: [{ id: 'unhealthy' }], removed: [] } } })
    console.fleet.set('unhealthy', false)
    await eventually(
      () => expect(updates.at(-1)).toMatchObject({ lists: { problems: { put: [], removed: ['unhealthy'] } } }),
      limitMs,
    )
  })

  test('is followed once for all pages, and no longer than they are open', async () => {
    const console = await start()
    expect(console.fleet.watches).toBe(0)
    const [first, second] = await Promise.all([follow(console), follow(console)])
    await eventually(
      () => expect([first.updates.length, second.updates.length, console.fleet.watches]).toEqual([1, 1, 1]),
      limitMs,
    )
    await console[Symbol.asyncDispose]()
    await eventually(() => expect(console.fleet.watches).toBe(0), limitMs)
  })

  test('is polled with an ETag where a stream is not possible', async () => {
    const console = await start()
    const first = await fetch(`${console.url}api/model`)
    expect(await first.json()).toMatchObject({ registry: { name: 'consul' }, services: { length: 4 }, processes: { length: 9 } })
    const etag = first.headers.get('etag') ?? ''
    expect((await fetch(`${console.url}api/model`, { headers: { 'if-none-match': etag } })).status).toBe(304)
    console.fleet.advance(2_000)
    await eventually(
      async () => expect((await fetch(`${console.url}api/model`, { headers: { 'if-none-match': etag } })).status).toBe(200),
      limitMs,
    )
  })

  test('an error of the fleet is reported, and it is followed again', async () => {
    const errors: unknown[] = []
    const fleet = createScriptedFleet()
    let calls = 0
    const failing: ScriptedFleet = Object.assign(Object.create(fleet), {
      watch(options: object) {
        if (calls++ === 0) throw new Error('no network')
        return fleet.watch(options)
      },
    })
    const dashboard = createDashboard({ fleet: failing, authenticate, onError: (error) => void errors.push(error) })
    const server = createServer(dashboard.handler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(async () => {
      await dashboard.close()
      server.close()
      server.closeAllConnections()
    })
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/model`)
    await eventually(() => expect(fleet.watches).toBe(1), limitMs)
    expect(errors).toEqual([expect.objectContaining({ message: 'no network' })])
  })

  test('more pages than the limit are refused, and poll instead', async () => {
    const console = await start()
    const streams = await Promise.all(Array.from({ length: 64 }, () => follow(console)))
    await eventually(() => expect(streams.every(({ updates }) => updates.length > 0)).toBe(true), limitMs)
    expect(await get(console, 'api/events')).toMatchObject({ status: 503 })
    expect(await get(console, 'api/model')).toMatchObject({ status: 200 })
  })
})

test('a fleet of @sd/fleet is shown as it is', async () => {
  const registry = createMemoryRegistry()
  const fleet = createFleet({ source: registry, intervalMs: 100 })
  const server = await serveDashboard({ fleet, authenticate, port: 0 })
  onTestFinished(async () => {
    await server.close()
    await fleet.close()
    await registry.close()
  })
  await registry.register({ service: 'orders', id: 'orders-0', address: '127.0.0.1', port: 8080, needs: ['stock'] })
  await eventually(
    async () =>
      expect(await get(server, 'api/model')).toMatchObject({
        body: {
          services: [{ service: 'orders', instances: [{ instanceId: 'orders-0' }] }, { service: 'stock' }],
          edges: [{ from: 'orders', to: 'stock' }],
        },
      }),
    limitMs,
  )
  expect(await get(server, 'api/explain?service=orders')).toMatchObject({ status: 200, body: { isRegistered: true } })
  expect(await get(server, 'api/history?service=orders')).toMatchObject({ status: 200, body: { points: expect.any(Array) } })
  expect(await get(server, 'api/ask?process=none&path=/slow')).toMatchObject({ status: 404 })
})

test('a real process is shown, asked and changed through its admin endpoint', async () => {
  const registry = createMemoryRegistry()
  const silenced: unknown[] = []
  const alerts: AdminAlerts = {
    state: () => ({ rules: [] }),
    silence(options) {
      silenced.push(options)
      return { id: 's1', endsAt: 1 }
    },
    expireSilence: (id) => id === 's1',
    enableRule: () => false,
  }
  const registration = await registry.register({
    service: 'orders',
    id: 'orders-0',
    address: '127.0.0.1',
    port: 8080,
    ports: { [ADMIN_PORT]: 1 },
  })
  const admin = await serveAdmin({ port: 0, controls: { alerts, registrations: [registration] }, onAudit: () => undefined })
  await registration.update({ ports: { [ADMIN_PORT]: admin.port } })
  const fleet = createFleet({ source: registry, intervalMs: 100 })
  const console = await start({ fleet })
  onTestFinished(async () => {
    await fleet.close()
    await admin.close()
    await registry.close()
  })
  let processId = ''
  await eventually(async () => {
    const { processes } = (await get(console, 'api/model')).body as FleetModel
    expect(processes).toMatchObject([{ state: 'answers', controls: expect.arrayContaining(['alerts', 'draining']) }])
    processId = processes[0]?.processId ?? ''
  }, limitMs)
  for (const path of ['/calls', '/config', '/edges', '/endpoints', '/gateways', '/health', '/lifecycle', '/samples', '/slow'])
    expect([path, (await get(console, `api/ask?process=${processId}&path=${path}`)).status]).toEqual([path, 200])
  expect(await get(console, `api/ask?process=${processId}&path=/config&value=db.pool.size`)).toMatchObject({
    status: 200,
    body: { answers: [] },
  })
  expect(await change(console, { action: 'alerts.silence', processId, rule: 'panic', durationMs: 60_000 })).toMatchObject({
    status: 200,
  })
  expect(silenced).toMatchObject([{ rule: 'panic', durationMs: 60_000, comment: expect.stringContaining('a drill (ann)') }])
  expect(await change(console, { action: 'alerts.unsilence', processId, id: 's1' })).toMatchObject({ status: 200 })
  expect(await change(console, { action: 'alerts.unsilence', processId, id: 's2' })).toMatchObject({ status: 404 })
  expect(await change(console, { action: 'draining', processId, draining: true })).toMatchObject({ status: 200 })
  await eventually(
    async () =>
      expect((await get(console, 'api/model')).body).toMatchObject({ services: [{ instances: [{ health: 'draining' }] }] }),
    limitMs,
  )
  const refused = await change(console, { action: 'breaker', processId, service: 'stock', state: 'open' })
  expect(refused).toMatchObject({ status: 405, body: { error: { code: 'SD_UNSUPPORTED' } } })
})

describe('configuration', () => {
  test('lists entries of all sources, and says which could not be read', async () => {
    const console = await start()
    expect(await get(console, 'api/configs')).toMatchObject({
      body: {
        entries: [
          { source: 'etcd', key: 'flags.json', hasHistory: false, hasCanary: false },
          { source: 'etcd', key: 'orders.yaml', hasHistory: true, hasCanary: true },
        ],
        failed: [],
        omitted: 0,
      },
    })
    console.source.setConnected(false)
    expect(await get(console, 'api/configs')).toMatchObject({
      body: { entries: [{ key: 'orders.yaml' }], failed: [{ source: 'etcd' }] },
    })
  })

  test('an entry has masked values, versions, a chain and its canary release', async () => {
    const console = await start()
    const { body } = await get(console, 'api/config?source=etcd&key=orders.yaml')
    const { values, versions, chain, canary } = body as ConfigAnswer
    expect(values).toContainEqual({ path: 'db.pool.size', value: 1000 })
    expect(values).toContainEqual({ path: 'db.password', value: '***' })
    expect(values).toContainEqual({ path: 'mail.sender', value: '(encrypted with key 2026-01)' })
    expect(versions.map(({ version, author, change, isLive }) => [version, author, change, isLive])).toEqual([
      [4, 'bob', 'put', true],
      [3, undefined, 'external', false],
      [2, 'ann', 'put', false],
      [1, 'ann', 'put', false],
    ])
    expect([chain, canary]).toEqual([{ isValid: true }, expect.objectContaining({ share: 10, author: 'ann' })])
  })

  test('reading records nothing: a write past the history is reported, and recorded by the next change', async () => {
    const console = await start({ write: true })
    await console.source.put('orders.yaml', 'db: {}', {})
    const read = async () => (await get(console, 'api/config?source=etcd&key=orders.yaml')).body as ConfigAnswer
    const { isUnrecorded, versions } = await read()
    expect([isUnrecorded, versions.map(({ isLive }) => isLive)]).toEqual([true, [false, false, false, false]])
    expect(await console.history.list({ sync: false })).toHaveLength(4)
    const rollback = { action: 'config.rollback', source: 'etcd', key: 'orders.yaml', version: 2, reason: 'back' }
    expect(await change(console, { ...rollback, ifVersion: 4 })).toMatchObject({ status: 409 })
    expect(await change(console, { ...rollback, ifVersion: 5 })).toMatchObject({ status: 200 })
    expect(await read()).toMatchObject({
      isUnrecorded: false,
      versions: [{ version: 6, of: 2, isLive: true }, { version: 5 }, {}, {}, {}, {}],
    })
  })

  test('a deleted entry still has its versions, a malformed one its reason', async () => {
    const console = await start()
    await console.source.delete('orders.yaml', {})
    const deleted = (await get(console, 'api/config?source=etcd&key=orders.yaml')).body as ConfigAnswer
    expect([deleted.unreadable, deleted.versions.length]).toEqual([expect.stringContaining('deleted'), 4])
    await console.source.put('flags.json', '{"password":', {})
    const malformed = (await get(console, 'api/config?source=etcd&key=flags.json')).body as ConfigAnswer
    expect([malformed.values, malformed.unreadable]).toEqual([[], expect.stringContaining('flags.json')])
  })

  test('differences are values and text; a version that cannot be parsed has text only', async () => {
    const console = await start()
    const { body } = await get(console, 'api/config/diff?source=etcd&key=orders.yaml&from=3&to=4')
    expect(body).toMatchObject({ values: [{ path: 'db.pool.size', kind: 'updated', before: 10, after: 1000 }] })
    await console.history.put('db: [', { comment: 'oops' })
    const broken = (await get(console, 'api/config/diff?source=etcd&key=orders.yaml&from=4&to=5')).body as object
    expect(Object.keys(broken)).toEqual(['text'])
    expect(await get(console, 'api/config/diff?source=etcd&key=orders.yaml&from=4&to=0')).toMatchObject({ status: 400 })
    expect(await get(console, 'api/config/diff?source=etcd&key=flags.json&from=1&to=2')).toMatchObject({ status: 404 })
    expect(await get(console, 'api/config?source=zk&key=x')).toMatchObject({ status: 404 })
  })
})

describe('changes', () => {
  test('steps of a canary release', async () => {
    const console = await start()
    const entry = { source: 'etcd', key: 'orders.yaml' }
    expect(await change(console, { action: 'canary.retarget', ...entry, share: 50 })).toMatchObject({
      status: 200,
      body: { before: { rule: { share: 10 } }, after: { rule: { share: 50 } } },
    })
    expect(await change(console, { action: 'canary.promote', ...entry })).toMatchObject({ status: 200 })
    expect(await change(console, { action: 'canary.retarget', ...entry, share: 50 })).toMatchObject({ status: 404 })
    expect(await change(console, { action: 'canary.abort', ...entry })).toMatchObject({ status: 200 })
    const { body } = await get(console, 'api/config?source=etcd&key=orders.yaml')
    expect((body as ConfigAnswer).values).toContainEqual({ path: 'db.pool.size', value: 20 })
  })

  test('an instance without an owner is removed from the registry that was handed over, and otherwise from none', async () => {
    const removed: string[] = []
    const registry = { deregister: async (service: string, id: string) => void removed.push(`${service}/${id}`) }
    const console = await start({ registry })
    const wanted = { action: 'deregister', service: 'stock', instanceId: 'stock-1' }
    expect(await change(console, wanted)).toEqual({ status: 200, body: { before: 'registered', after: 'removed' } })
    expect(removed).toEqual(['stock/stock-1'])
    expect(console.audit.at(-1)).toMatchObject({ by: 'ann', action: 'deregister', target: 'stock/stock-1', reason: 'a drill' })
    expect(await get(console, 'api/session')).toMatchObject({ body: { canDeregister: true } })
    const without = await start()
    expect(await get(without, 'api/session')).toMatchObject({ body: { canWrite: true, canDeregister: false } })
    expect(await change(without, wanted)).toMatchObject({ body: { error: { code: 'SD_UNSUPPORTED' } } })
    expect(await change(await start({ registry, write: false }), wanted)).toMatchObject({ status: 405 })
    expect(removed).toHaveLength(1)
  })

  test('breakers, draining and silences go to the process, with reason and author', async () => {
    const console = await start()
    const process = { processId: 'p-shop-0' }
    const wanted = [
      { action: 'breaker', ...process, service: 'a/b', instanceId: 'x 1', state: 'open' },
      { action: 'breaker', ...process, service: 'orders', state: 'closed' },
      { action: 'draining', ...process, draining: true },
      { action: 'alerts.silence', ...process, rule: 'panic', labels: { service: 'stock' }, durationMs: 60_000 },
      { action: 'alerts.unsilence', ...process, id: 's/1' },
    ]
    for (const one of wanted) expect((await change(console, one)).status).toBe(200)
    const reason = 'a drill (ann)'
    expect(console.fleet.changes).toEqual([
      { ...process, path: '/breakers/a%2Fb/x%201', body: { state: 'open', reason } },
      { ...process, path: '/breakers/orders', body: { state: 'closed', reason } },
      { ...process, path: '/draining', body: { draining: true, reason } },
      { ...process, path: '/alerts/silences', body: { rule: 'panic', labels: { service: 'stock' }, durationMs: 60_000, reason } },
      { ...process, path: '/alerts/silences/s%2F1/expire', body: { reason } },
    ])
    expect(console.audit.map(({ action, target }) => `${action} ${target}`)).toEqual([
      'breaker p-shop-0 a/b/x 1',
      'breaker p-shop-0 orders',
      'draining p-shop-0',
      'alerts.silence p-shop-0 panic',
      'alerts.unsilence p-shop-0 s/1',
    ])
  })

  test.each([
    [{ action: 'shutdown' }, 'action'],
    [{ action: 'breaker', processId: 'p', service: 's', state: 'ajar' }, 'state'],
    [{ action: 'draining', processId: 'p', draining: 'yes' }, 'draining'],
    [{ action: 'draining', processId: 'p', draining: true, force: true }, 'force'],
    [{ action: 'canary.retarget', source: 'etcd', key: 'k', share: 101 }, 'share'],
    [{ action: 'alerts.silence', processId: 'p', rule: 'r', durationMs: 1 }, 'durationMs'],
    [{ action: 'alerts.silence', processId: 'p', rule: 'r', durationMs: 1_000, labels: { a: 1 } }, 'labels.a'],
    [{ action: 'config.rollback', source: 'etcd', key: 'k', version: 0, ifVersion: 1 }, 'version'],
  ])('%j is refused by its field', async (body, field) => {
    const console = await start()
    expect(await change(console, body)).toMatchObject({ status: 400, body: { error: { code: 'SD_INVALID', field } } })
  })
})

describe('where it is served', () => {
  const fleet = createScriptedFleet()
  const options: DashboardOptions = { fleet, authenticate }

  async function statuses(base: string): Promise<readonly unknown[]> {
    const bare = await fetch(base.slice(0, -1), { redirect: 'manual' })
    return [
      bare.status,
      bare.headers.get('location'),
      (await fetch(`${base}api/model`)).status,
      (await fetch(`${base}api/none`)).status,
    ]
  }

  test('below a path of node:http, which keeps the others', async () => {
    const dashboard = createDashboard({ ...options, basePath: '/ops/sd/' })
    onTestFinished(() => dashboard.close())
    const server = createServer((request, response) => {
      if (!dashboard.handler(request, response)) response.end('mine')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await statuses(`${origin}/ops/sd/`)).toEqual([308, 'sd/', 200, 404])
    expect(await (await fetch(`${origin}/ops/sdx`)).text()).toBe('mine')
  })

  test('in Express, with and without a body parser', async () => {
    const dashboard = createDashboard({ ...options, write: true, onAudit: () => undefined })
    onTestFinished(() => dashboard.close())
    const app = express()
    app.use('/plain', dashboard.handler)
    app.use(express.json())
    app.use('/sd', dashboard.handler)
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await statuses(`${origin}/sd/`)).toEqual([308, 'sd/', 200, 404])
    const body = JSON.stringify({ action: 'draining', processId: 'p-cron', draining: true, reason: 'x' })
    for (const base of ['/plain', '/sd'])
      expect((await fetch(`${origin}${base}/api/changes`, { method: 'POST', headers: page, body })).status).toBe(200)
  })

  test('in Fastify', async () => {
    const dashboard = createDashboard({ ...options, basePath: '/sd' })
    const app = fastify()
    app.addHook('onRequest', async (request, reply) => {
      if (dashboard.handler(request.raw, reply.raw)) reply.hijack()
    })
    onTestFinished(async () => {
      await dashboard.close()
      await app.close()
    })
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    expect(await statuses(`${origin}/sd/`)).toEqual([308, 'sd/', 200, 404])
  })

  test('on a port of its own; a busy port is an error', async () => {
    const server = await serveDashboard({ ...options, port: 0 })
    onTestFinished(() => server.close())
    expect(await get({ url: server.url }, 'api/model')).toMatchObject({ status: 200 })
    await expect(serveDashboard({ ...options, port: server.port })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await server.close()
    await server.close()
  })

  test('after close every request is refused', async () => {
    const console = await start()
    const dashboard = createDashboard(options)
    await dashboard.close()
    const server = createServer(dashboard.handler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    expect((await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).status).toBe(502)
    expect((await get(console, 'api/session')).status).toBe(200)
  })
})

test.each([
  [{ fleet: {} }, 'fleet.watch'],
  [{ hosts: 'x' }, 'hosts'],
  [{ basePath: 'sd' }, 'basePath'],
  [{ page: './web/' }, 'page'],
  [{ registry: {} }, 'registry.deregister'],
  [{ configs: {} }, 'configs'],
  [{ configs: [{ source: { name: 'a' } }] }, 'configs[0].source.load'],
  [{ configs: [{ source: { name: 'a', load() {} } }, { source: { name: 'a', load() {} } }] }, 'configs[1].source.name'],
  [{ configs: [{ source: { name: 'a', load() {} }, histories: { k: {} } }] }, 'configs[0].histories.k.rollback'],
  [{ logsLink: 'javascript:alert(1)' }, 'logsLink'],
  [{ traceLink: 'https://{service}.example' }, 'traceLink'],
  [{ write: 'yes' }, 'write'],
  [{ readonly: true }, 'readonly'],
  [{ authenticate: { kind: 'token', token: 7 } }, 'authenticate.token'],
  [{ authenticate: { kind: 'magic' } }, 'authenticate.kind'],
  [{ authenticate: { kind: 'header', user: 'x', trust: ['::1'], writeGroup: 'ops' } }, 'authenticate.groups'],
  [{ authenticate: { kind: 'password' } }, 'authenticate.check'],
])('the options %j are refused by %s', (options, field) => {
  const create = () => createDashboard({ fleet: createScriptedFleet(), authenticate, ...options } as unknown as DashboardOptions)
  expect(create).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

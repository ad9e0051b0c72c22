import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAlerts } from '@sd/alerts'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createServiceClient } from '@sd/client'
import { createConfig, createMemoryConfigSource } from '@sd/config'
import { ADMIN_PORT, collectStates, type InquiryKind, inquire, SdError } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createHealthReporter } from '@sd/health'
import { createLifecycle } from '@sd/lifecycle'
import { createEtcdLock } from '@sd/lock-etcd'
import { createMemoryRegistry } from '@sd/registry-memory'
import { obtainServer, startEtcd } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const canary = 's3cret-canary'
const etcd = await obtainServer('etcd')
const ends: (() => unknown)[] = []

describe.runIf(etcd)('everything that can be asked', () => {
  beforeAll(async () => {
    if (!etcd) return
    const store = await startEtcd(etcd)
    const registry = createMemoryRegistry()
    const server = createServer((_request, response) => void response.writeHead(500).end())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const health = createHealthReporter({
      checks: [{ check: { name: 'disk', run: () => Promise.reject(new Error(`password=${canary}`)) } }],
      intervalMs: 100,
      fall: 1,
    })
    const lifecycle = createLifecycle({
      registrar: registry,
      server,
      health,
      instance: {
        service: 'orders',
        id: 'orders-1',
        address: '127.0.0.1',
        port,
        needs: ['stock'],
        ports: { [ADMIN_PORT]: 9_465 },
      },
      signals: [],
    })
    await lifecycle.start()
    const discovery = createDiscovery({ source: registry })
    const client = createServiceClient({
      discovery,
      balancer: createRoundRobinBalancer(),
      headers: { authorization: `Bearer ${canary}` },
      instanceBreaker: ({ name }) => createOpossumBreaker({ name }),
      retry: false,
    })
    await (await client.get('orders', `/?token=${canary}`)).text()
    client.breaker('orders', 'orders-1')?.isolate()
    const config = await createConfig({
      name: 'orders',
      sources: [createMemoryConfigSource({ name: 'file', entries: { 'app.yaml': `db: { password: ${canary}, pool: 10 }` } })],
    })
    const alerts = createAlerts({
      source: () => [{ name: 'errors', labels: { url: `http://a:${canary}@b` }, value: 3 }],
      rules: [{ name: 'errors', metric: 'errors', condition: '>', threshold: 1, groupBy: ['url'] }],
    })
    alerts.silence({ rule: 'errors', durationMs: 60_000, comment: 'nightly run' })
    const lock = createEtcdLock({ servers: [`127.0.0.1:${store.port}`], prefix: `/inquiries-${process.pid}` })
    await lock.acquire('leader', { value: 'orders-1' })
    const gateway = await createGateway({
      client,
      name: 'edge',
      table: {
        listeners: [{ name: 'main', address: '127.0.0.1:0' }],
        routes: [{ name: 'orders', match: { path: '/orders/*', methods: ['GET'] }, forward: { service: 'orders' } }],
      },
    })
    await expect(gateway.configure({ listeners: [], routes: [] })).rejects.toThrow(SdError)
    await alerts.evaluate()
    ends.push(
      () => gateway.close(),
      () => alerts.close(),
      () => config.close(),
      () => client.close(),
      () => discovery.close(),
      () => lifecycle.close(),
      () => health.close(),
      () => lock.close(),
      () => registry.close(),
      () => store.close(),
    )
  })
  afterAll(async () => {
    for (const end of ends) await end()
    // Nothing answers after its end.
    for (const kind of kinds) expect(inquire(kind), kind).toEqual([])
  })

  const kinds = [
    'endpoints',
    'calls',
    'config',
    'alerts',
    'locks',
    'lifecycle',
    'health',
    'gateways',
  ] as const satisfies readonly InquiryKind[]

  test.each(kinds)('%s is JSON as it is, and has no secret', (kind) => {
    const answers = inquire(kind, kind === 'config' ? { path: '' } : {})
    expect(answers.length).toBeGreaterThan(0)
    const text = JSON.stringify(answers)
    expect(JSON.parse(text)).toEqual(answers)
    expect(structuredClone(answers)).toEqual(answers)
    expect(text).not.toContain(canary)
  })

  test('state reports are JSON as they are, and have no secret', () => {
    const states = collectStates()
    const text = JSON.stringify(states)
    expect(JSON.parse(text)).toEqual(states)
    expect(text).not.toContain(canary)
  })

  test('the answers say what an operator asks', async () => {
    await eventually(
      () => expect(inquire('health')[0]).toMatchObject({ status: 'unhealthy', checks: [{ check: 'disk' }] }),
      10_000,
    )
    expect(inquire('endpoints', { service: 'orders' })).toMatchObject([
      { service: 'orders', endpoints: [{ instanceId: 'orders-1', outs: [{ reason: 'unhealthy' }, { reason: 'isolated' }] }] },
    ])
    expect(inquire('endpoints', { service: 'other' })).toEqual([])
    expect(inquire('calls')).toMatchObject([
      {
        service: 'orders',
        balancer: 'round-robin',
        settings: { headers: 'authorization', instanceBreaker: 'on', retry: false },
        policies: [{ kind: 'breaker', state: 'isolated', reason: 'manual', since: expect.any(Number) }],
      },
    ])
    expect(inquire('config', { path: 'db' })).toMatchObject([
      {
        config: 'orders',
        digest: expect.stringMatching(/^[0-9a-f]{16}$/),
        explanation: { value: { password: '***', pool: 10 }, line: 1 },
      },
    ])
    expect(inquire('locks')).toMatchObject([{ key: 'leader', value: 'orders-1', token: expect.stringMatching(/^\d+$/) }])
    expect(inquire('lifecycle')).toMatchObject([{ state: 'ready', registration: { service: 'orders', state: 'active' } }])
    expect(inquire('gateways')).toMatchObject([
      {
        gateway: 'edge',
        version: 1,
        routes: [{ match: 'GET /orders/*', action: 'orders', services: ['orders'] }],
        refused: { error: { code: 'SD_INVALID' } },
      },
    ])
    const alerts = inquire('alerts')[0]
    expect(alerts).toMatchObject({ rules: [{ name: 'errors', severity: 'warning' }], silences: [{ comment: 'nightly run' }] })
  })
})

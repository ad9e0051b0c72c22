import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Registry } from '@sd/core'
import { freePort, type NacosServer, obtainServer, startNacos } from '@sd/test-servers'
import { eventually, plainSpec, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createNacosRegistry, type NacosRegistryOptions } from './index.ts'

const nacos = await obtainServer('nacos', { own: true })
const run = promisify(execFile)
const limitMs = 10_000

describe.runIf(nacos)('on a server', { timeout: 60_000 }, () => {
  let server: NacosServer
  let scopes = 0
  let namespace: string
  const opened: Registry[] = []
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos)
  }, 60_000)
  afterEach(() => Promise.all(opened.splice(0).map((registry) => registry.close())))
  afterAll(() => server.close())

  function open(options: NacosRegistryOptions = {}): Registry {
    const registry = createNacosRegistry({
      servers: [`127.0.0.1:${server.port}`],
      namespace,
      refreshIntervalMs: 100,
      operationTimeoutMs: 5_000,
      ...options,
    })
    opened.push(registry)
    return registry
  }
  function newScope(): void {
    namespace = `scope-${++scopes}`
  }
  /** Requests of another tool. */
  async function foreign(method: string, params: Record<string, string>): Promise<void> {
    const form = new URLSearchParams({ namespaceId: namespace, serviceName: 'DEFAULT_GROUP@@orders', ...params })
    const response = await fetch(`http://127.0.0.1:${server.port}/nacos/v1/ns/instance?${form}`, { method })
    assert.equal(response.status, 200)
  }
  async function ids(registry: Registry, service: string = 'orders'): Promise<readonly string[]> {
    return (await registry.getInstances(service)).instances.map(({ id }) => id)
  }

  test('namespaces, groups and clusters separate instances', async () => {
    newScope()
    const other = open({ namespace: 'elsewhere' })
    const [north, group, onlySouth] = [open({ cluster: 'north' }), open({ group: 'g2' }), open({ clusters: ['south'] })]
    await north.register(plainSpec('orders', 1))
    await open({ cluster: 'south' }).register(plainSpec('orders', 2))
    await group.register(plainSpec('orders', 3))
    expect(await ids(other)).toEqual([])
    expect(await ids(group)).toEqual(['orders-3'])
    expect(await ids(north)).toEqual(['orders-1', 'orders-2'])
    expect(await ids(onlySouth)).toEqual(['orders-2'])
    expect(await north.listServices()).toEqual(['orders'])
    expect(await other.listServices()).toEqual([])
  })

  test("other tools' instances are read, removed by an operator, and skipped if they are malformed", async () => {
    newScope()
    const registry = open()
    const spring = { secure: 'true', version: '2.1', 'preserved.register.source': 'SPRING_CLOUD' }
    await foreign('POST', { ip: '10.9.0.1', port: '443', weight: '3', metadata: JSON.stringify(spring) })
    await foreign('POST', { ip: '10.9.0.2', port: '20880', metadata: '{"protocol":"dubbo","side":"provider"}' })
    await foreign('POST', { ip: '10.9.0.3', port: '9000', metadata: '{"kind":"grpc","version":"1"}' })
    await foreign('POST', { ip: 'no address', port: '1' })
    await foreign('POST', { ip: '10.9.0.4', port: '80', metadata: '{"sd.id":"x","sd.tags":"{"}' })
    const { instances } = await registry.getInstances('orders')
    expect(
      instances.map(({ address, protocol, version, weight, health }) => [address, protocol, version, weight, health.status]),
    ).toEqual([
      ['10.9.0.1', 'https', '2.1', 3, 'healthy'],
      ['10.9.0.2', 'dubbo', undefined, 1, 'healthy'],
      ['10.9.0.3', 'grpc', '1', 1, 'healthy'],
    ])
    expect({ ...instances[0]?.metadata }).toEqual(spring)
    await registry.deregister('orders', instances[0]?.id ?? '')
    await registry.deregister('orders', 'x')
    await eventually(async () => assert.equal((await registry.getInstances('orders')).instances.length, 2), limitMs)
    await foreign('POST', { serviceName: 'DEFAULT_GROUP@@providers:com.example.Api:1.0:', ip: '10.9.0.5', port: '20880' })
    expect(await registry.listServices()).toEqual(['orders', 'providers:com.example.Api:1.0:'])
    expect((await registry.getInstances('providers:com.example.Api:1.0:')).instances).toHaveLength(1)
  })

  test('two ids at one address are refused, and an id can move to another address', async () => {
    newScope()
    const registry = open()
    const first = await registry.register({ ...plainSpec('orders', 1), id: 'a' })
    await assert.rejects(registry.register({ ...plainSpec('orders', 1), id: 'b' }), { code: 'SD_CONFLICT' })
    expect(await ids(registry)).toEqual(['a'])
    await registry.register({ ...plainSpec('users', 1), id: 'b' })
    await registry.register({ ...plainSpec('orders', 2), id: 'a' })
    expect(first.state).toBe('closed')
    const { instances } = await registry.getInstances('orders')
    expect(instances.map(({ id, address }) => [id, address])).toEqual([['a', '10.1.0.2']])
    await registry.register({ ...plainSpec('orders', 1), id: 'c' })
    expect(await ids(registry)).toEqual(['a', 'c'])
  })

  test('a previous instance at an address leaves nothing behind', async () => {
    newScope()
    const registry = open()
    const old = await registry.register({ ...plainSpec('orders', 1), id: 'old', version: '1', weight: 9 })
    await old.update({ weight: 1 })
    await eventually(async () => assert.equal((await registry.getInstance('orders', 'old'))?.weight, 1), limitMs)
    await old.update({ health: 'draining' })
    await old.update({ health: 'healthy' })
    await eventually(async () => assert.equal((await registry.getInstance('orders', 'old'))?.weight, 1), limitMs)
    await old.deregister()
    await registry.register({ ...plainSpec('orders', 1), id: 'new', version: '2' })
    await eventually(async () => assert.equal((await registry.getInstance('orders', 'new'))?.version, '2'), limitMs)
  })

  test('a draining instance has weight 0 for other clients, and its own weight for ours', async () => {
    newScope()
    const registry = open()
    await registry.register({ ...plainSpec('orders', 1), weight: 4, health: { status: 'draining', message: 'bye' } })
    const found = await registry.getInstance('orders', 'orders-1')
    expect([found?.weight, found?.health.status, found?.health.message]).toEqual([4, 'draining', 'bye'])
    const query = `namespaceId=${namespace}&serviceName=DEFAULT_GROUP@@orders`
    const response = await fetch(`http://127.0.0.1:${server.port}/nacos/v1/ns/instance/list?${query}`)
    expect(((await response.json()) as { hosts: { weight: number }[] }).hosts[0]?.weight).toBe(0)
    // An operator's weight takes precedence over the instance's own.
    await foreign('PUT', { ip: '10.1.0.1', port: '8001', weight: '7' })
    expect((await registry.getInstance('orders', 'orders-1'))?.weight).toBe(7)
  })

  test('a persistent instance is registered again after the server lost it', async () => {
    newScope()
    const [registry, operator] = [open({ persistent: true, ttlMs: 600 }), open({ persistent: true })]
    expect(registry.capabilities.ttl).toBe(false)
    await registry.register(plainSpec('orders', 1))
    await operator.deregister('orders', 'orders-1')
    await eventually(async () => assert.deepEqual(await ids(operator), ['orders-1']), limitMs)
    expect((await operator.getInstance('orders', 'orders-1'))?.ttlMs).toBeUndefined()
  })

  test('with several servers the one that responds is used, and kept', async () => {
    newScope()
    const dead = `127.0.0.1:${await freePort()}`
    const registry = open({ servers: [dead, `127.0.0.1:${server.port}`] })
    await registry.register(plainSpec('orders', 1))
    expect(await ids(registry)).toEqual(['orders-1'])
    await assert.rejects(open({ servers: [dead] }).getInstances('orders'), { code: 'SD_UNAVAILABLE', retryable: true })
  })

  test('a server that is not Nacos is a different error than an unreachable one', async () => {
    newScope()
    await assert.rejects(open({ api: 'v3' }).getInstances('orders'), { code: 'SD_UNSUPPORTED' })
    await assert.rejects(open({ api: 'v3' }).listServices(), { code: 'SD_UNSUPPORTED' })
    await open({ adminApi: true }).listServices()
  })

  test('a disabled registry does not register an instance', async () => {
    newScope()
    await open({ enabled: false }).register(plainSpec('orders', 1))
    expect(await ids(open())).toEqual([])
  })

  test('the process logs nothing, opens no UDP port, and exits after close', async () => {
    const program = `
      import { createNacosRegistry } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
      const registry = createNacosRegistry({ servers: ['127.0.0.1:${server.port}'], namespace: 'exit' })
      await registry.register({ service: 'orders', address: '10.0.0.1', port: 80 })
      for await (const { value } of registry.watch('orders')) if (value.instances.length === 1) break
      const udp = process.getActiveResourcesInfo().filter((kind) => /udp/i.test(kind))
      await registry.close()
      const closedAt = performance.now()
      process.on('exit', () => console.log(JSON.stringify({ udp, isQuick: performance.now() - closedAt < 2000 })))`
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program], { timeout: 30_000 })
    expect(JSON.parse(stdout)).toEqual({ udp: [], isQuick: true })
    expect(stderr.replace(/.*(ExperimentalWarning|--trace-warnings).*\n/g, '')).toBe('')
  })
})

describe.runIf(nacos)('with auth', { timeout: 60_000 }, () => {
  const auth = { username: 'keeper', password: 'the-secret-word' }
  let server: NacosServer
  beforeAll(async () => {
    if (nacos) server = await startNacos(nacos, { auth, loginSeconds: 2 })
  }, 120_000)
  afterAll(() => server.close())

  test('a wrong secret is denied without showing it, a rotated one is requested again, and a token is renewed', async () => {
    const servers = [`127.0.0.1:${server.port}`]
    await using without = createNacosRegistry({ servers })
    await assert.rejects(without.getInstances('orders'), { code: 'SD_DENIED' })
    await using wrong = createNacosRegistry({ servers, credentials: { ...auth, password: 'guessed-word' } })
    await assert.rejects(wrong.register(plainSpec('orders', 1)), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SD_DENIED')
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /guessed-word/)
      return true
    })
    let asked = 0
    let password = 'old-word'
    await using registry = createNacosRegistry({
      servers,
      refreshIntervalMs: 100,
      ttlMs: 900,
      credentials: async () => {
        asked++
        return { ...auth, password }
      },
    })
    await assert.rejects(registry.getInstances('orders'), { code: 'SD_DENIED' })
    password = auth.password
    const registration = await registry.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    await registry.ping()
    assert.equal(asked, 2, 'many operations, one login')
    await eventually(() => assert.ok(asked >= 4), limitMs)
    assert.equal(registration.state, 'active')
    assert.ok(
      probe.seen.every(({ stale }) => stale === undefined),
      'a token is renewed before it ends',
    )
    await probe.stop()
  })
})

import { inspect } from 'node:util'
import type { Registry } from '@sd/core'
import { type CertificateSet, type ConsulServer, createCertificates, freePort, obtainServer, startConsul } from '@sd/test-servers'
import { eventually, plainSpec, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ConsulRegistryOptions, createConsulRegistry } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const limitMs = 20_000
const opened: Registry[] = []

function open(options: ConsulRegistryOptions): Registry {
  const registry = createConsulRegistry({ ttlMs: 2_000, operationTimeoutMs: 2_000, ...options })
  opened.push(registry)
  return registry
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((registry) => registry.close()))
})

describe.runIf(consul)('with ACLs', { timeout: 60_000 }, () => {
  const managementToken = '11111111-2222-3333-4444-555555555555'
  let server: ConsulServer
  beforeAll(async () => {
    if (!consul) return
    server = await startConsul(consul, { managementToken })
    const rules = 'service_prefix "shop-" { policy = "write" } node_prefix "" { policy = "read" }'
    await server.call('PUT', '/v1/acl/policy', { Name: 'shop', Rules: rules })
  })
  afterAll(() => server.close())

  const withToken = (token: ConsulRegistryOptions['token']): Registry =>
    open({ servers: [`127.0.0.1:${server.port}`], prefix: 'shop-', ...(token !== undefined && { token }) })
  async function createToken(): Promise<{ readonly AccessorID: string; readonly SecretID: string }> {
    return (await server.call('PUT', '/v1/acl/token', { Policies: [{ Name: 'shop' }] })) as never
  }

  test('a token with the documented policy is sufficient', async () => {
    const registry = withToken((await createToken()).SecretID)
    expect(await registry.listServices()).toEqual([])
    const registration = await registry.register(plainSpec('orders', 1))
    expect((await registry.getInstances('orders')).instances).toHaveLength(1)
    expect(await registry.listServices()).toEqual(['orders'])
    await registry.deregister('orders', 'orders-1')
    await registration.deregister()
    await server.call('PUT', '/v1/agent/service/register', { ID: 'foreign', Name: 'shop-orders', Port: 80 })
    await registry.deregister('orders', 'foreign')
    expect((await registry.getInstances('orders')).instances).toEqual([])
  })

  test('without a token, a read is an error and not an empty list', async () => {
    const holder = withToken((await createToken()).SecretID)
    await holder.register(plainSpec('orders', 1))
    const anonymous = withToken(undefined)
    await expect(anonymous.getInstances('orders')).rejects.toMatchObject({ code: 'SD_DENIED', retryable: false })
    await expect(anonymous.listServices()).rejects.toMatchObject({ code: 'SD_DENIED' })
    const limited = withToken((await createToken()).SecretID)
    expect((await limited.getInstances('absent')).instances).toEqual([])
    await expect(anonymous.register(plainSpec('orders', 2))).rejects.toMatchObject({ code: 'SD_DENIED' })
    await expect(probeWatch((options) => anonymous.watch('orders', options), 100).ended).rejects.toMatchObject({
      code: 'SD_DENIED',
    })
  })

  test('a token that may read services but not nodes is refused with the missing rule, although Consul returns an empty list', async () => {
    const holder = withToken((await createToken()).SecretID)
    await holder.register(plainSpec('hidden', 1))
    await server.call('PUT', '/v1/acl/policy', { Name: 'blind', Rules: 'service_prefix "shop-" { policy = "write" }' })
    const { SecretID } = (await server.call('PUT', '/v1/acl/token', { Policies: [{ Name: 'blind' }] })) as { SecretID: string }
    const blind = withToken(SecretID)
    const refused = {
      code: 'SD_DENIED',
      retryable: false,
      message: expect.stringContaining('node_prefix "" { policy = "read" }'),
    }
    await expect(blind.getInstances('hidden')).rejects.toMatchObject(refused)
    await expect(blind.listServices()).rejects.toMatchObject(refused)
    await expect(probeWatch((options) => blind.watch('hidden', options), 100).ended).rejects.toMatchObject(refused)
  })

  test('a refusal names the request, the permission and the rule', async () => {
    const anonymous = withToken(undefined)
    const error = await anonymous.register(plainSpec('orders', 2)).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ message: expect.stringContaining('PUT /v1/agent/service/register') })
    expect(error).toMatchObject({ message: expect.stringContaining('lacks permission \'service:write\' on "shop-orders"') })
  })

  test('a wrong token is refused, and not shown in any error', async () => {
    const secret = '99999999-aaaa-bbbb-cccc-dddddddddddd'
    const registry = withToken(secret)
    const calls = [
      () => registry.getInstances('orders'),
      () => registry.register(plainSpec('orders', 1)),
      () => registry.listServices(),
    ]
    for (const call of calls) {
      const error = await call().catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
    }
  })

  test('a rotated token is requested again, and watch and registration continue', async () => {
    const [before, after] = [await createToken(), await createToken()]
    let current = before.SecretID
    let requests = 0
    const registry = withToken(async () => {
      requests++
      return current
    })
    const registration = await registry.register(plainSpec('rotated', 1))
    const probe = probeWatch((options) => registry.watch('rotated', options), limitMs)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    expect(requests).toBe(1)
    current = after.SecretID
    await server.call('DELETE', `/v1/acl/token/${before.AccessorID}`)
    await eventually(() => expect(requests).toBeGreaterThan(1), limitMs)
    await registration.update({ weight: 7 })
    await probe.until(({ instances }) => expect(instances[0]?.weight).toBe(7))
    expect([registration.state, registration.lastError]).toEqual(['active', undefined])
    await probe.stop()
  })

  test('a failing token function is a retryable error', async () => {
    const registry = withToken(() => Promise.reject(new Error('the vault is closed')))
    await expect(registry.getInstances('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
  })
})

describe.runIf(consul)('with TLS', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let certificates: CertificateSet
  beforeAll(async () => {
    if (!consul) return
    certificates = await createCertificates(['consul.example'])
    server = await startConsul(consul, { tls: certificates })
  })
  afterAll(() => server.close())

  test('a custom CA and a client certificate are used', async () => {
    const servers = [`https://127.0.0.1:${server.port}`]
    const { ca, client } = certificates
    const registry = open({ servers, tls: { ca, ...client, serverName: 'consul.example' } })
    await eventually(() => registry.ping(), limitMs)
    await registry.register(plainSpec('orders', 1))
    expect((await registry.getInstances('orders')).instances).toHaveLength(1)
  })

  test.each([
    ['no authority', () => ({ ...certificates.client }), 'tls.ca'],
    ['no client certificate', () => ({ ca: certificates.ca, serverName: 'consul.example' }), 'tls.cert'],
    ['another name', () => ({ ca: certificates.ca, ...certificates.client, serverName: 'other.example' }), 'tls.serverName'],
  ])('%s is an error that names the option and does not show a key', async (_, tls, option) => {
    const registry = open({ servers: [`https://127.0.0.1:${server.port}`], tls: tls() })
    const error = await registry.ping().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining(option) })
    expect(inspect(error, { depth: 10 })).not.toContain('PRIVATE KEY')
  })
})

describe.runIf(consul)('with several agents', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let other: ConsulServer
  beforeAll(async () => {
    if (!consul) return
    server = await startConsul(consul)
    const config = {
      server: false,
      bootstrap_expect: undefined,
      retry_join: [`127.0.0.1:${server.serfPort}`],
      retry_interval: '1s',
    }
    other = await startConsul(consul, { config })
  })
  afterAll(() => Promise.all([server.close(), other.close()]))

  test('an unreachable agent is skipped', async () => {
    const registry = open({ servers: [`127.0.0.1:${await freePort()}`, `127.0.0.1:${server.port}`] })
    await registry.register(plainSpec('first', 1))
    expect((await registry.getInstances('first')).instances).toHaveLength(1)
  })

  test("an instance on another node is found, and the operator's deregister removes its record", async () => {
    const [here, there] = [open({ servers: [`127.0.0.1:${server.port}`] }), open({ servers: [`127.0.0.1:${other.port}`] })]
    await there.register(plainSpec('second', 1))
    await eventually(async () => expect((await here.getInstances('second')).instances).toHaveLength(1), limitMs)
    await there.close()
    await eventually(async () => expect((await here.getInstances('second')).instances).toEqual([]), limitMs)
    await server.call('PUT', '/v1/catalog/register', {
      ...{ Node: 'gone', Address: '10.0.0.9' },
      Service: { ID: 'orphan', Service: 'second', Port: 80 },
    })
    expect((await here.getInstances('second')).instances).toMatchObject([{ id: 'orphan', health: { status: 'unknown' } }])
    await server.call('PUT', '/v1/agent/service/register', { ID: 'orphan', Name: 'another', Port: 81 })
    await here.deregister('second', 'orphan')
    expect((await here.getInstances('second')).instances).toEqual([])
    expect((await here.getInstances('another')).instances).toHaveLength(1)
  })

  test('registration and watch move to the next agent', async () => {
    const registry = open({ servers: [`127.0.0.1:${other.port}`, `127.0.0.1:${server.port}`] })
    const observer = open({ servers: [`127.0.0.1:${server.port}`] })
    const registration = await registry.register(plainSpec('third', 1))
    const probe = probeWatch((options) => registry.watch('third', options), limitMs)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await other.kill()
    await probe.untilStale(false)
    await eventually(async () => {
      const checks = (await server.call('GET', '/v1/agent/services')) as Record<string, unknown>
      expect(Object.keys(checks)).toContain('third:third-1')
    }, limitMs)
    await eventually(() => expect(registration.state).toBe('active'), limitMs)
    await registration.update({ weight: 5 })
    await probe.until(({ instances }) => expect(instances.map(({ weight }) => weight)).toEqual([5]))
    expect((await observer.getInstances('third')).instances.map(({ weight }) => weight)).toEqual([5])
    await probe.stop()
  })
})

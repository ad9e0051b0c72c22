import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminServer, serveAdmin } from '@sd/admin'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { createConfig, createMemoryConfigSource } from '@sd/config'
import { ADMIN_PORT, type Registration, type Registry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type SdctlOptions, sdctl, startSdctl } from './testing/run-sdctl.ts'
import { expectSchema } from './testing/schemas.ts'

const patienceMs = 20_000
const token = 'a-token-of-24-characters'

// This process is a service with an admin endpoint, and the command line reads it as it reads any other.
describe('a process with an admin endpoint', () => {
  const stack = new AsyncDisposableStack()
  let registry: Registry
  let client: ServiceClient
  let shop: Registration
  let admin: AdminServer
  let home = ''
  let port = 0
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
    stack.defer(() => rm(home, { recursive: true }))
    registry = stack.use(createMemoryRegistry())
    const server = createServer((request, response) => {
      const status = request.url?.startsWith('/fail') ? 500 : 200
      response.writeHead(status, { 'x-api-key': 'hidden-canary' }).end(`${request.method} ok`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stack.defer(() => void server.close())
    stack.defer(() => server.closeAllConnections())
    port = (server.address() as AddressInfo).port
    await registry.register({ service: 'stock', id: 'stock-0', address: '127.0.0.1', port })
    await registry.register({
      service: 'stock',
      id: 'stock-1',
      address: '127.0.0.1',
      port: 9,
      health: { status: 'unhealthy', message: 'no disk' },
    })
    const discovery = stack.use(createDiscovery({ source: registry }))
    client = stack.use(
      createServiceClient({
        discovery,
        balancer: createP2cBalancer(),
        services: { stock: { breaker: () => createCockatielBreaker({ name: 'stock' }) } },
      }),
    )
    const source = stack.use(
      createMemoryConfigSource({ entries: { 'shop.yaml': 'pool: { size: 5 }\ndb: { password: tiger-canary }\n' } }),
    )
    const config = stack.use(await createConfig({ name: 'shop', sources: [source] }))
    admin = stack.use(
      await serveAdmin({
        port: 0,
        authenticate: { token },
        onAudit: () => undefined,
        controls: { client, config, registrations: () => [shop] },
      }),
    )
    shop = await registry.register({
      service: 'shop',
      id: 'shop-0',
      address: '127.0.0.1',
      port: 1,
      ports: { [ADMIN_PORT]: admin.port },
    })
    await mkdir(join(home, 'sdctl'))
    const program = join(home, 'token.sh')
    await writeFile(program, `#!/bin/sh\necho ${token}\n`)
    await chmod(program, 0o700)
    await writeFile(
      join(home, 'sdctl', 'config.yaml'),
      `current: dev\ncontexts:\n  - { name: dev, registry: 'memory:', adminToken: ['${program}'], write: true }\n  - { name: broken, registry: 'memory:', adminToken: ['${home}/nothing'] }\n`,
    )
  })
  afterAll(() => stack.disposeAsync())

  const run = (argv: readonly string[], options: SdctlOptions = {}) =>
    sdctl(argv, { memory: registry, env: { XDG_CONFIG_HOME: home, SD_AUTHOR: 'ann' }, ...options })
  const change = (...argv: string[]) => run([...argv, '--reason', 'a test', '--yes'])

  test('says its name, its calls, and why an instance gets nothing', async () => {
    for (let call = 0; call < 20; call++) await (await client.get('stock', '/')).text()
    expect((await run(['processes'])).out).toMatch(/^shop-0 +answers +127\.0\.0\.1:\d+/m)
    const services = await run(['services', '--over', '100ms'])
    expect(services.out).toMatch(/^stock +1 of 2 healthy .*shop/m)
    expect(services.out).toContain('1 of 1 processes answered')
    expectSchema((await run(['services', '--over', '100ms', '--json'])).out)
    expect((await run(['graph', '--over', '100ms'])).out).toMatch(/^shop +stock +\d/m)
    const { out } = await run(['explain', 'stock', '--from', 'shop', '--over', '100ms'])
    expect(out).toContain('stock has 2 instances, 1 gets traffic; 1 of 1 caller answered.')
    expect(out).toContain('stock-1 gets nothing from all 1 caller: unhealthy')
    expect(out).toContain('balancer  p2c')
    for (const argv of [
      ['states'],
      ['process', 'shop'],
      ['top', 'stock', '--over', '1ms'],
      ['explain', 'stock', '--over', '1ms'],
    ]) {
      expectSchema((await run([...argv, '--json'])).out)
    }
  })

  test('explains a value, whose secrets stay hidden', async () => {
    expect((await run(['config', 'explain', 'pool.size', '--from', 'shop'])).out).toMatch(
      /^shop-0 +shop +5 +memory +shop\.yaml line 1$/m,
    )
    const { out } = await run(['config', 'explain', 'db', '--from', 'shop', '--json'])
    expectSchema(out)
    expect(out).not.toContain('tiger')
  })

  test('is changed with a reason', async () => {
    const opened = await change('breaker', 'isolate', 'stock', '--process', 'shop')
    expect(opened.err).toBe('')
    expect(client.breaker('stock')?.state).toBe('isolated')
    await change('breaker', 'close', 'stock', '--process', 'shop')
    expect(client.breaker('stock')?.state).toBe('closed')
    expect((await change('drain', 'shop', 'shop-0')).out).toContain('shop-0: shop-0 is draining')
    expect(shop.instance.health).toMatchObject({ status: 'draining', message: 'a test (ann)' })
    expect((await change('drain', 'shop', 'shop-0', '--undo')).code).toBe(0)
    expect(shop.instance.health.status).toBe('healthy')
  })

  test('is not read with a wrong token, or one that a program does not give', async () => {
    const broken = await run(['processes', '--context', 'broken'])
    expect(broken.out).toContain('0 of 1 process answered')
    expect(broken.out).not.toContain(token)
    const wrong = await run(['doctor'], { env: { SD_REGISTRY: 'memory:', SD_ADMIN_TOKEN: 'another-token-of-24-chars' } })
    expect(wrong.code).toBe(1)
    expect(wrong.out).toMatch(/✗ the admin endpoint of .* does not answer/)
    const right = await run(['doctor'], { env: { SD_REGISTRY: 'memory:', SD_ADMIN_TOKEN: token } })
    expect(right.out).toContain('1 of 1 admin endpoint answered')
    expect(right.out).toContain('! 2 of 3 instances have no admin endpoint: stock-0, stock-1')
  })

  test('its events are followed', async () => {
    const interruption = new AbortController()
    onTestFinished(() => interruption.abort())
    const options = { memory: registry, env: { XDG_CONFIG_HOME: home }, signal: interruption.signal }
    const { ended, out } = startSdctl(['logs', 'follow', 'stock', '--json', '--interval', '100ms'], options)
    await eventually(async () => {
      await registry.register({ service: 'stock', id: `stock-${Math.random()}`, address: '127.0.0.1', port: 9 })
      expect(out()).toContain('"change"')
    }, patienceMs)
    interruption.abort()
    expect((await ended).code).toBe(0)
    for (const line of out().trimEnd().split('\n')) expectSchema(line)
  })

  test('its page is served until the command is interrupted, and read-only', async () => {
    const interruption = new AbortController()
    onTestFinished(() => interruption.abort())
    const options = { memory: registry, env: { XDG_CONFIG_HOME: home }, signal: interruption.signal }
    const { ended, out } = startSdctl(['dashboard', '--port', '0', '--json'], options)
    await eventually(() => expect(out()).toContain('"code"'), patienceMs)
    const [started, code] = out().trimEnd().split('\n').map(expectSchema)
    expect(started).toMatchObject({ event: 'started', canChange: false })
    expect(code).toMatchObject({ event: 'code', code: expect.stringMatching(/^\w{10}$/) })
    // The page itself is there only after a build.
    const { headers } = await fetch(String(started?.['url']))
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    interruption.abort()
    expect((await ended).code).toBe(0)
    await expect(fetch(String(started?.['url']))).rejects.toThrow()
  })

  test('its page changes something only in a context that may write', async () => {
    const argv = ['dashboard', '--write', '--port', '0', '--json', '--reason', 'a test', '--yes']
    expect(await run([...argv, '--context', 'broken'])).toMatchObject({ code: 4 })
    expect(await run([...argv.slice(0, -1)])).toMatchObject({ code: 2 })
    const interruption = new AbortController()
    onTestFinished(() => interruption.abort())
    const options = { memory: registry, env: { XDG_CONFIG_HOME: home }, signal: interruption.signal }
    const { ended, out } = startSdctl(argv, options)
    await eventually(() => expect(out()).toContain('"code"'), patienceMs)
    expect(expectSchema(out().split('\n')[0] ?? '')).toMatchObject({ event: 'started', canChange: true })
    interruption.abort()
    expect((await ended).code).toBe(0)
  })
})

describe('a call from here', () => {
  async function prepare() {
    const registry = createMemoryRegistry()
    onTestFinished(() => registry.close())
    const bodies: string[] = []
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const part of request) body += part
      bodies.push(`${request.method} ${request.url} ${request.headers['x-a'] ?? ''} ${body}`.trim())
      response.writeHead(request.url === '/fail' ? 500 : 200, { 'x-api-key': 'hidden-canary' }).end(`hello\u001b[2J`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    await registry.register({ service: 'echo', id: 'echo-0', address: '127.0.0.1', port })
    const home = await mkdtemp(join(tmpdir(), 'sd-cli-'))
    onTestFinished(() => rm(home, { recursive: true }))
    await mkdir(join(home, 'sdctl'))
    await writeFile(join(home, 'sdctl', 'config.yaml'), "contexts: [{ name: dev, registry: 'memory:', write: true }]")
    return { bodies, port, options: { memory: registry, env: { XDG_CONFIG_HOME: home }, cwd: home } }
  }

  test('by GET needs no permission, and is explained step by step', async () => {
    const { bodies, port, options } = await prepare()
    const argv = ['call', 'echo', 'get', '/orders?token=hidden-canary', '--registry', 'memory:', '--header', 'x-a: 1']
    const { code, out } = await sdctl([...argv, '--explain'], options)
    expect(code).toBe(0)
    expect(out).toContain('GET echo/orders\n')
    expect(out).toContain(`  http://127.0.0.1:${port} (echo-0) kept, weight 1`)
    expect(out).toContain(`200  by echo-0 at http://127.0.0.1:${port}\nhello\n`)
    expect(bodies).toEqual(['GET /orders?token=hidden-canary 1'])
    const json = await sdctl([...argv, '--explain', '--json'], options)
    expect(expectSchema(json.out)).toMatchObject({
      status: 200,
      instanceId: 'echo-0',
      path: '/orders',
      headers: { 'x-api-key': '***' },
    })
    expect(json.out).not.toContain('canary')
  })

  test('that changes something needs a context that may write', async () => {
    const { bodies, options } = await prepare()
    const argv = ['call', 'echo', 'POST', '/orders', '--data', '-', '--reason', 'a test', '--yes', '--json']
    expect(await sdctl([...argv, '--registry', 'memory:'], options)).toMatchObject({ code: 4 })
    expect(bodies).toEqual([])
    const { out } = await sdctl([...argv, '--context', 'dev'], { ...options, piped: '{"id":1}' })
    expect(expectSchema(out)).toMatchObject({ status: 200, reason: 'a test' })
    expect(bodies).toEqual(['POST /orders  {"id":1}'])
  })

  test('that fails is something wrong, with its steps', async () => {
    const { options } = await prepare()
    const all = { ...options, env: { SD_REGISTRY: 'memory:' } }
    expect((await sdctl(['call', 'echo', 'GET', '/fail'], all)).code).toBe(1)
    const none = await sdctl(['call', 'nothing', 'GET', '/', '--explain', '--json'], all)
    expect(none.code).toBe(1)
    expect(expectSchema(none.out)).toMatchObject({ error: { code: 'SD_NO_INSTANCE' } })
    expect((await sdctl(['call', 'nothing', 'GET', '/'], all)).err).toContain('nothing')
    expect((await sdctl(['call', 'echo', 'BREW', '/'], all)).code).toBe(2)
    expect((await sdctl(['call', 'echo', 'GET', '/', '--header', 'x'], all)).code).toBe(2)
  })
})

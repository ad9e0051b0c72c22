import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ReadOnlyRegistry } from '@sd/core'
import { type DnsServer, freePort, obtainServer, startDns, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { eventually, probeWatch, within } from '@sd/testing'
import { decode } from 'dns-packet'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDnsRegistry, type DnsRegistryOptions } from './index.ts'
import { reply } from './testing/fake-dns.ts'

const dns = await obtainServer('dns', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

const domain = 'faults.test'
const two = ['_orders._tcp SRV 0 1 8001 one', '_orders._tcp SRV 0 1 8002 two', 'one A 10.0.0.1', 'two A 10.0.0.2']
const three = [...two, '_orders._tcp SRV 0 1 8003 three', 'three A 10.0.0.3']
const many = Array.from({ length: 200 }, (_, index) => [`_many._tcp SRV 0 1 ${8_000 + index} m${index}`, `m${index} A 10.1.0.1`])

describe.runIf(dns && toxiproxy)('faults of a real server', { timeout: 60_000 }, () => {
  let server: DnsServer
  let proxy: Toxiproxy
  const opened: { close(): unknown }[] = []
  beforeAll(async () => {
    if (dns && toxiproxy) [server, proxy] = await Promise.all([startDns(dns), startToxiproxy(toxiproxy)])
  })
  beforeEach(() => server.publish(domain, [...two, ...many.flat()]))
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  function open(options: Partial<DnsRegistryOptions> = {}): ReadOnlyRegistry {
    const servers = [`127.0.0.1:${server.port}`]
    const registry = createDnsRegistry({ servers, domain, minTtlMs: 100, timeoutMs: 500, operationTimeoutMs: 4_000, ...options })
    opened.push(registry)
    return registry
  }

  /** A port that accepts datagrams, and responds only if a function is given. */
  async function openSocket(port: number, answer?: (packet: Buffer) => Buffer): Promise<number> {
    const socket: Socket = createSocket('udp4')
    opened.push(socket)
    if (answer) socket.on('message', (packet, from) => socket.send(answer(packet), from.port, from.address))
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    return socket.address().port
  }

  const follow = (registry: ReadOnlyRegistry): ReturnType<typeof probeWatch<{ instances: readonly unknown[] }>> =>
    probeWatch((options) => registry.watch('orders', options), 20_000)

  for (const [what, stop, start] of [
    ['killed and restarted', () => server.kill(), () => server.start()],
    ['paused', () => server.pause(), () => server.resume()],
    ['restarted without its zones', () => server.restartEmpty(), () => server.publish(domain, two)],
  ] as const) {
    test(`a server that is ${what}: the watch is stale, then fresh again, and never empty`, async () => {
      const registry = open()
      const probe = follow(registry)
      await probe.until(({ instances }) => expect(instances).toHaveLength(2))
      await stop()
      await probe.untilStale(true)
      expect(probe.seen.at(-1)?.value?.instances).toHaveLength(2)
      expect(registry.state).toBe('disconnected')
      await expect(registry.getInstances('orders')).rejects.toMatchObject({ retryable: true })
      await expect(registry.ping()).rejects.toMatchObject({ retryable: true })
      await start()
      await probe.untilStale(false)
      expect(registry.state).toBe('connected')
      await server.publish(domain, three)
      await probe.until(({ instances }) => expect(instances).toHaveLength(3))
      expect(probe.seen.every(({ value }) => value === undefined || value.instances.length > 0)).toBe(true)
      await probe.stop()
    })
  }

  test('the first of several servers is dead, silent, or fails: the next one responds, and is queried first from then on', async () => {
    const dead = await freePort()
    const silent = await openSocket(0)
    const refusing = await openSocket(0, (packet) => reply(decode(packet), { flags: 5 }))
    for (const port of [dead, silent, refusing]) {
      const registry = open({ servers: [`127.0.0.1:${port}`, `127.0.0.1:${server.port}`] })
      expect((await registry.getInstances('orders')).instances).toHaveLength(2)
      const startedAt = performance.now()
      for (let index = 0; index < 20; index++) await registry.getInstances('orders')
      // This would take 10 s if the silent server were awaited each time.
      expect(performance.now() - startedAt).toBeLessThan(5_000)
    }
    const none = open({ servers: [dead, silent, refusing].map((port) => `127.0.0.1:${port}`) })
    await expect(none.getInstances('orders')).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringMatching(/returned ECONNREFUSED, .* returned no response within 500 ms, .* returned REFUSED$/),
    })
  })

  test('the server that responds fails: the other one is used', async () => {
    const other = await startDns(dns as NonNullable<typeof dns>)
    opened.push(other)
    await other.publish(domain, two)
    const registry = open({ servers: [`127.0.0.1:${other.port}`, `127.0.0.1:${server.port}`] })
    const probe = follow(registry)
    await probe.until(({ instances }) => expect(instances).toHaveLength(2))
    await other.kill()
    await server.publish(domain, three)
    await probe.until(({ instances }) => expect(instances).toHaveLength(3))
    expect(probe.seen.every(({ stale }) => stale === undefined)).toBe(true)
    await probe.stop()
  })

  test('connections for large responses: slow and split ones are read, and those that break or hang are failures', async () => {
    const link = await proxy.link(server.port)
    opened.push(link)
    // Toxiproxy does not support datagrams: these always return "truncated" here.
    await openSocket(link.port, (packet) => reply(decode(packet), { flags: 0x200 }))
    const registry = open({ servers: [`127.0.0.1:${link.port}`], timeoutMs: 3_000, operationTimeoutMs: 10_000 })
    const count = async (): Promise<number> => (await registry.getInstances('many')).instances.length
    expect(await count()).toBe(200)
    await link.delay(100)
    await link.slice(700)
    expect(await count()).toBe(200)
    await link.restore()
    for (const bytes of [1, 20, 2_000]) {
      await link.reset(bytes)
      await expect(count()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
      await link.restore()
    }
    await link.cut()
    await expect(count()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') })
    await link.restore()
    await link.blackHole()
    await expect(count()).rejects.toMatchObject({ retryable: true })
    await link.restore()
    expect(await count()).toBe(200)
  })

  test('closing while no server responds is immediate and leaves nothing behind', async () => {
    const silent = await openSocket(0)
    const before = process.getActiveResourcesInfo().length
    const registry = open({ servers: [`127.0.0.1:${silent}`], timeoutMs: 30_000, operationTimeoutMs: 60_000 })
    const probe = follow(registry)
    const readings = Array.from({ length: 100 }, () => registry.getInstances('orders'))
    const outcomes = Promise.allSettled(readings)
    await within(registry.close(), 5_000, 'close()')
    await within(probe.ended, 5_000, 'the watch')
    for (const outcome of await within(outcomes, 5_000, 'the readings')) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'SD_CLOSED' } })
    }
    await eventually(() => expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before), 5_000)
  })

  test('a slow consumer gets the newest list', async () => {
    const registry = open()
    const iterator = registry.watch('orders')[Symbol.asyncIterator]()
    await iterator.next()
    await server.publish(domain, three)
    await server.publish(domain, two.slice(0, 1).concat(two.slice(2)))
    await eventually(async () => expect((await registry.getInstances('orders')).instances).toHaveLength(1), 10_000)
    await eventually(async () => {
      const { value } = await iterator.next()
      expect(value.value.instances).toHaveLength(1)
    }, 10_000)
    await iterator.return?.()
  })
})

import { subscribeTelemetry } from '@sd/core'
import { eventually, probeWatch } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createDnsRegistry, type DnsRegistryOptions } from './index.ts'
import { address, alias, authority, type FakeDns, type Respond, reply, srv, startFakeDns } from './testing/fake-dns.ts'

const name = '_orders._tcp.x.test'
let server: FakeDns
beforeEach(async () => {
  server = await startFakeDns()
})
afterEach(() => server.close())

/** Lists two instances at IP addresses in the additional section. */
const two: Respond = (query) => [
  reply(query, {
    answers: [srv(name, 'one.x.test', 8_001, 300), srv(name, 'two.x.test', 8_002, 300)],
    additionals: [address('one.x.test', '10.0.0.1', 300), address('two.x.test', '10.0.0.2', 300)],
  }),
]

async function read(options: Partial<DnsRegistryOptions> = {}): Promise<readonly string[]> {
  await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test', timeoutMs: 1_000, ...options })
  return (await registry.getInstances('orders')).instances.map(({ id }) => id)
}

describe('a read', () => {
  test('of a named port queries that port, and of TLS keeps the name in the certificate', async () => {
    server.respond((query) => {
      const [{ name } = { name: '' }] = query.questions ?? []
      const port = { '_web._tcp.orders.x.test': 8_080, '_admin._tcp.orders.x.test': 9_000, '_grpcs._tcp.orders.x.test': 9_443 }[
        name
      ]
      const answers = port === undefined ? [] : [srv(name, 'one.x.test', port, 300)]
      return [reply(query, { answers, additionals: [address('one.x.test', '10.0.0.1', 300)] })]
    })
    const template = '_{port}._tcp.{service}.{domain}'
    await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test', template, portName: 'web' })
    const found = async (service: string): Promise<unknown> =>
      (await registry.getInstances(service)).instances.map(({ service, port, protocol, metadata }) => ({
        ...{ service, port, protocol },
        serverName: metadata['tls-server-name'],
      }))
    expect(await found('orders')).toEqual([{ service: 'orders', port: 8_080, protocol: 'http' }])
    expect(await found('orders:admin')).toEqual([{ service: 'orders:admin', port: 9_000, protocol: 'http' }])
    expect(await found('orders:grpcs')).toEqual([
      { service: 'orders:grpcs', port: 9_443, protocol: 'grpcs', serverName: 'one.x.test' },
    ])
    expect(await found('orders:metrics')).toEqual([])
  })

  test('sends one query if the response contains the addresses, with changing ids', async () => {
    const ids = new Set<number | undefined>()
    server.respond((query, ...rest) => {
      ids.add(query.id)
      return two(query, ...rest)
    })
    for (let index = 0; index < 10; index++) expect(await read()).toEqual(['10.0.0.1:8001', '10.0.0.2:8002'])
    expect(server.queries).toHaveLength(10)
    expect(ids.size).toBeGreaterThan(5)
  })

  test('ignores unrelated packets, and uses the response', async () => {
    server.respond((query, ...rest) => [
      Buffer.from('garbage'),
      reply({ ...query, id: (query.id ?? 0) ^ 1 }, { answers: [srv(name, '6.6.6.6', 666)] }),
      reply({ ...query, questions: [{ name: 'other.test', type: 'SRV' }] }, { answers: [srv(name, '6.6.6.6', 666)] }),
      ...two(query, ...rest),
    ])
    expect(await read()).toEqual(['10.0.0.1:8001', '10.0.0.2:8002'])
  })

  test('stops using a server that floods it', async () => {
    server.respond((query) => Array.from({ length: 100 }, (_, index) => reply({ ...query, id: (query.id ?? 0) ^ (index + 1) })))
    const limits = { timeoutMs: 20_000, operationTimeoutMs: 60_000 }
    await expect(read(limits)).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('too many unrelated packets'),
    })
  })

  test('uses the next server if one is unreachable', async () => {
    server.respond(two)
    // The system refuses to connect to the broadcast address; to an IPv6 address if it has none.
    for (const transport of ['udp', 'tcp'] as const) {
      expect(
        await read({ servers: ['255.255.255.255', '[2001:db8::1]', server.address], timeoutMs: 200, transport }),
      ).toHaveLength(2)
    }
    const message = expect.stringMatching(/255\.255\.255\.255:53 returned E[A-Z]+$/)
    await expect(read({ servers: ['255.255.255.255'] })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message })
  })

  test('queries a server without EDNS support again without it', async () => {
    server.respond((query, ...rest) => (query.additionals?.length ? [reply(query, { flags: 1 })] : two(query, ...rest)))
    expect(await read()).toHaveLength(2)
    server.respond((query) => [reply(query, { flags: 1 })])
    await expect(read()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining('FORMERR') })
  })

  test('uses a connection for a truncated response, and refuses invalid data there', async () => {
    const over =
      (stream: Respond): Respond =>
      (query, transport, packet) =>
        transport === 'datagram' ? [reply(query, { flags: 0x200 })] : stream(query, transport, packet)
    server.respond(over(two))
    expect(await read()).toHaveLength(2)
    expect(server.queries.map(({ transport }) => transport)).toEqual(['datagram', 'stream'])
    server.respond(two)
    expect(await read({ transport: 'tcp' })).toHaveLength(2)
    expect(server.queries.map(({ transport }) => transport)).toEqual(['datagram', 'stream', 'stream'])
    const nonsense: readonly [Respond, string][] = [
      [(query) => [reply(query, { flags: 0x200 })], 'a truncated response'],
      [(query) => [reply({ ...query, id: (query.id ?? 0) ^ 1 })], 'another question'],
      [() => [Buffer.alloc(0)], 'another question'],
      [(query) => [reply(query, { answers: [srv(name, 'one', 80)] }).subarray(0, -1)], 'a malformed response'],
    ]
    for (const [stream, message] of nonsense) {
      server.respond(over(stream))
      await expect(read()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining(message) })
    }
  })

  test('follows a limited number of aliases through several responses', async () => {
    server.respond((query, ...rest) => {
      const [asked] = query.questions ?? []
      if (asked?.name === name) return [reply(query, { answers: [alias(name, 'b.test')] })]
      if (asked?.name === 'b.test') return [reply(query, { answers: [srv('b.test', 'one.x.test', 80)] })]
      if (asked?.name === 'one.x.test') return [reply(query, { answers: [alias('one.x.test', 'c.test')] })]
      return asked?.name === 'c.test' ? [reply(query, { answers: [address('c.test', '10.0.0.9')] })] : two(query, ...rest)
    })
    expect(await read()).toEqual(['10.0.0.9:80'])
    let count = 0
    server.respond((query) => [reply(query, { answers: [alias(query.questions?.[0]?.name as string, `a${++count}.test`)] })])
    await expect(read()).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('more than 8 aliases'),
    })
    expect(count).toBe(9)
  })

  test('returns the resolved instances, stale, and reports the failed target; invalid names and ports are left out', async () => {
    const answers = [
      srv(name, 'one.x.test', 80),
      srv(name, 'no name', 80),
      srv(name, 'two.x.test', 0),
      srv(name, 'three.x.test', 80),
    ]
    const additionals = [address('one.x.test', '10.0.0.1'), address('two.x.test', '10.0.0.2')]
    const gone = authority('x.test', 60, 60)
    server.respond((query) => [
      query.questions?.[0]?.type === 'SRV'
        ? reply(query, { answers, additionals })
        : reply(query, { authorities: [gone], flags: 3 }),
    ])
    expect(await read()).toEqual(['10.0.0.1:80'])
    server.respond((query) => [reply(query, query.questions?.[0]?.type === 'SRV' ? { answers, additionals } : { flags: 2 })])
    const reported: (string | undefined)[] = []
    onTestFinished(
      subscribeTelemetry('sd:v1:backend:operation', ({ operation, error }) => {
        if (operation === 'resolve') reported.push(error?.message)
      }),
    )
    await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test' })
    const { instances, stale } = await registry.getInstances('orders')
    expect([instances.map(({ address }) => address), stale]).toEqual([['10.0.0.1'], true])
    expect(reported).toEqual([expect.stringMatching(/^dns returns orders without three\.x\.test: .*SERVFAIL/)])
    server.respond((query) => [reply(query, query.questions?.[0]?.type === 'SRV' ? { answers } : { flags: 2 })])
    await expect(read()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining('SERVFAIL') })
  })

  test('keeps the instances of a failed target, stale, until it is resolved again', async () => {
    let isCut = false
    server.respond((query) => {
      const [asked] = query.questions ?? []
      if (asked?.type === 'SRV') return [reply(query, { answers: [srv(name, 'near.test', 80), srv(name, 'far.test', 80)] })]
      if (asked?.name === 'near.test') return [reply(query, { answers: [address('near.test', '10.0.0.1')] })]
      return [reply(query, isCut ? { flags: 2 } : { answers: [address('far.test', '10.0.0.2')] })]
    })
    await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test', minTtlMs: 20, refreshIntervalMs: 20 })
    const seen: string[] = []
    for await (const { value } of registry.watch('orders')) {
      if (!value) continue
      seen.push(`${value.instances.map((instance) => instance.address).join(' ')}${value.stale ? ' stale' : ''}`)
      if (seen.length === 3) break
      isCut = seen.length === 1
    }
    expect(seen).toEqual(['10.0.0.1 10.0.0.2', '10.0.0.1 10.0.0.2 stale', '10.0.0.1 10.0.0.2'])
  })

  test('with failed targets waits no longer than one query takes, and leaves no query behind', async () => {
    const answers = Array.from({ length: 50 }, (_, index) => srv(name, `t${index}.x.test`, 80))
    server.respond((query) => {
      const [asked] = query.questions ?? []
      if (asked?.type === 'SRV') return [reply(query, { answers })]
      return asked?.name === 't0.x.test' ? [reply(query, { answers: [address('t0.x.test', '10.0.0.1')] })] : []
    })
    const before = process.getActiveResourcesInfo().length
    await using registry = createDnsRegistry({
      servers: [server.address],
      domain: 'x.test',
      timeoutMs: 300,
      operationTimeoutMs: 60_000,
    })
    const startedAt = performance.now()
    expect((await registry.getInstances('orders')).instances).toHaveLength(1)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    await eventually(() => expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before), 5_000)
  })

  test('uses the better priority of two records for one place, in any order', async () => {
    const listed = [srv(name, 'one', 80), { ...srv(name, 'one', 80), data: { target: 'one', port: 80, weight: 9, priority: 3 } }]
    for (const answers of [listed, listed.toReversed()]) {
      server.respond((query) => [reply(query, { answers: answers as never, additionals: [address('one', '10.0.0.1')] })])
      await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test' })
      expect((await registry.getInstances('orders')).instances).toMatchObject([{ priority: 0, weight: 1 }])
    }
  })

  test('has a time limit if no server responds', async () => {
    await expect(read({ timeoutMs: 60_000, operationTimeoutMs: 200 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await expect(read({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    const listed: Respond = (query) => (query.questions?.[0]?.type === 'SRV' ? two(query, 'datagram', Buffer.alloc(0)) : [])
    server.respond(listed)
    await expect(read({ family: 6, timeoutMs: 60_000, operationTimeoutMs: 200 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
  })

  test('ends when it is aborted', async () => {
    await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test' })
    const reading = registry.getInstances('orders', { signal: AbortSignal.timeout(100) })
    await expect(reading).rejects.toMatchObject({ code: 'SD_ABORTED' })
  })
})

describe('a watch', () => {
  async function countQueries(respond: Respond, options: Partial<DnsRegistryOptions>, atLeast: number): Promise<void> {
    server.respond(respond)
    await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test', ...options })
    const probe = probeWatch((watchOptions) => registry.watch('orders', watchOptions), 5_000)
    await probe.until(() => undefined)
    await eventually(() => expect(server.queries.length).toBeGreaterThanOrEqual(atLeast), 10_000)
    await probe.stop()
    expect(probe.seen).toHaveLength(1)
  }

  const listedFor =
    (ttl: number): Respond =>
    (query) => [reply(query, { answers: [srv(name, 'one', 80, 300)], additionals: [address('one', '10.0.0.1', ttl)] })]

  test('queries again when the smallest TTL has passed, and yields nothing without a change', async () => {
    await countQueries(listedFor(1), { refreshIntervalMs: 600_000 }, 2)
  })

  test('queries again when the time of a denial has passed', async () => {
    const authorities = [authority('x.test', 300, 1)]
    await countQueries((query) => [reply(query, { authorities, flags: 3 })], { refreshIntervalMs: 600_000 }, 2)
  })

  test('respects the TTL, minTtlMs and refreshIntervalMs', async () => {
    server.respond(listedFor(300))
    await using registry = createDnsRegistry({ servers: [server.address], domain: 'x.test', refreshIntervalMs: 600_000 })
    const probe = probeWatch((options) => registry.watch('orders', options), 5_000)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(server.queries).toHaveLength(1)
    await probe.stop()
    await countQueries(listedFor(0), { minTtlMs: 100 }, 4)
    await countQueries(listedFor(300), { minTtlMs: 50, refreshIntervalMs: 50 }, 6)
  })
})

describe('many reads', () => {
  test('of 300 services use a bounded number of sockets', async () => {
    const registry = createDnsRegistry({
      servers: [server.address],
      domain: 'x.test',
      timeoutMs: 60_000,
      operationTimeoutMs: 60_000,
    })
    const readings = Array.from({ length: 300 }, (_, index) => registry.getInstances(`service-${index}`))
    const outcomes = Promise.allSettled(readings)
    // No response has arrived yet, so no query has ended.
    await eventually(() => expect(server.queries).toHaveLength(64), 5_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(server.queries).toHaveLength(64)
    await registry.close()
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'SD_CLOSED' } })
    server.respond((query) => [reply(query, { flags: 3 })])
    await using patient = createDnsRegistry({ servers: [server.address], domain: 'x.test' })
    const snapshots = await Promise.all(Array.from({ length: 300 }, (_, index) => patient.getInstances(`service-${index}`)))
    expect(snapshots.every(({ instances }) => instances.length === 0)).toBe(true)
  })
})

import { once } from 'node:events'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { subscribeTelemetry } from '@sd/core'
import { createCertificates } from '@sd/test-servers'
import { beforeAll, describe, expect, test } from 'vitest'
import { readCallDeadline, registerServices, toCallDeadline } from './index.ts'
import { resolveGrpcServicesOptions } from './options.ts'
import { grpcModules } from './testing/modules.ts'
import { call, createOrdersClient, type GrpcJs } from './testing/orders.ts'
import { run } from './testing/processes.ts'
import { createStage } from './testing/stage.ts'

const certificates = createCertificates(['orders', 'orders.example'])

function serviceConfig(method: object): { readonly 'grpc.service_config': string } {
  return { 'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{ service: 'shop.Orders' }], ...method }] }) }
}

const retryPolicy = {
  maxAttempts: 3,
  initialBackoff: '0.01s',
  maxBackoff: '0.1s',
  backoffMultiplier: 1,
  retryableStatusCodes: ['UNAVAILABLE'],
}

/** Records the events of calls as short texts. */
function recordCalls(): { readonly seen: string[]; readonly events: Record<string, unknown>[] } & Disposable {
  const seen: string[] = []
  const events: Record<string, unknown>[] = []
  const channels = ['sd:v1:call:start', 'sd:v1:attempt:end', 'sd:v1:call:retry', 'sd:v1:call:hedge', 'sd:v1:call:end'] as const
  const ends = channels.map((channel) =>
    subscribeTelemetry(channel, (event) => {
      seen.push(channel.slice('sd:v1:'.length))
      events.push({ ...event })
    }),
  )
  return {
    seen,
    events,
    [Symbol.dispose]: () => {
      for (const end of ends) end()
    },
  }
}

beforeAll(() => certificates)

describe.each(grpcModules)('grpc-js %s', (minor, grpc: GrpcJs) => {
  test('with TLS the certificate must have the name of the service, unless the channel sets another one', async () => {
    const { ca, server } = await certificates
    const key = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) }
    const credentials = grpc.ServerCredentials.createSsl(null, [key])
    await using stage = createStage(grpc)
    await stage.serve('a', { credentials })
    await stage.serve('b', { credentials, instance: { service: 'other' } })
    const secure = grpc.credentials.createSsl(Buffer.from(ca))
    expect(await call(grpc, stage.dial('sd:///orders', {}, secure))).toBe('a')
    const named = { 'grpc.ssl_target_name_override': 'orders.example' }
    expect(await call(grpc, stage.dial('sd:///other', named, secure))).toBe('b')
    await expect(call(grpc, stage.dial('sd:///other', {}, secure))).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringContaining('altnames'),
    })
  })

  test('a retry of grpc-js goes to an untried endpoint, and is reported', async () => {
    await using stage = createStage(grpc)
    using recorded = recordCalls()
    await stage.serve('bad', { unary: (_call, _answer, fail) => fail(grpc.status.UNAVAILABLE) })
    await stage.serve('good')
    const client = stage.dial('sd:///orders', serviceConfig({ retryPolicy }))
    await expect
      .poll(async () => {
        recorded.seen.length = 0
        recorded.events.length = 0
        await call(grpc, client)
        return recorded.seen
      })
      .toEqual(['call:start', 'attempt:end', 'call:retry', 'attempt:end', 'call:end'])
    const [start, first, retry, second, end] = recorded.events
    expect(start?.['call']).toMatchObject({ service: 'orders', method: 'POST', path: '/shop.Orders/Unary' })
    expect(first).toMatchObject({ instanceId: 'bad', attempts: 1, status: undefined, error: { code: 'SD_UNAVAILABLE' } })
    expect(retry).toMatchObject({ attempt: 1, error: { code: 'SD_UNAVAILABLE' } })
    expect(second).toMatchObject({ instanceId: 'good', attempts: 2, status: 200, error: undefined })
    expect(second?.['latencyMs']).toBeGreaterThan(0)
    expect(second?.['latencyMs']).toBeLessThanOrEqual(second?.['durationMs'] as number)
    expect(end).toMatchObject({ attempts: 2, status: 200, error: undefined })
    for (const event of recorded.events) expect(event['call']).toBe(start?.['call'])
  })

  test('with a single instance a retry goes to the same one', async () => {
    await using stage = createStage(grpc)
    let calls = 0
    await stage.serve('a', { unary: (_call, reply, fail) => (++calls < 3 ? fail(grpc.status.UNAVAILABLE) : reply('third')) })
    expect(await call(grpc, stage.dial('sd:///orders', serviceConfig({ retryPolicy })))).toBe('third')
  })

  test('the hedges of a service config are reported, and picked endpoints are released', async () => {
    await using stage = createStage(grpc)
    using recorded = recordCalls()
    for (const name of ['a', 'b']) await stage.serve(name, { unary: (_call, reply) => void setTimeout(reply, 200, name) })
    const hedgingPolicy = { maxAttempts: 2, hedgingDelay: '0.02s', nonFatalStatusCodes: [] }
    await call(grpc, stage.dial('sd:///orders', serviceConfig({ hedgingPolicy })))
    expect(recorded.seen).toContain('call:hedge')
    const attempts = recorded.events.filter((event) => 'instanceId' in event)
    expect(attempts.map((attempt) => attempt['status']).toSorted()).toEqual([200, undefined])
    expect(stage.discovery.cluster('orders').view.endpoints.map(({ active }) => active)).toEqual([0, 0])
  })

  test('two discoveries have separate schemes', async () => {
    await using first = createStage(grpc)
    await using second = createStage(grpc, { scheme: 'sd-b' })
    await first.serve('of the first')
    await second.serve('of the second')
    expect(await call(grpc, first.dial())).toBe('of the first')
    expect(await call(grpc, second.dial())).toBe('of the second')
  })

  test('a named port is dialled as service:port', async () => {
    await using stage = createStage(grpc)
    const { server } = await stage.serve('admin', { instance: { service: 'elsewhere' } })
    await stage.serve('main', { instance: { ports: { admin: server.port } } })
    expect(await call(grpc, stage.dial('sd:///orders:admin'))).toBe('admin')
    expect(await call(grpc, stage.dial('sd:///orders'))).toBe('main')
  })

  test('a name with special characters is escaped', async () => {
    await using stage = createStage(grpc)
    await stage.serve('a', { instance: { service: 'shop/orders ä' } })
    expect(await call(grpc, stage.dial(`sd:///${encodeURIComponent('shop/orders ä')}`))).toBe('a')
  })

  test('after close, calls in progress end normally; new and waiting calls fail', async () => {
    await using stage = createStage(grpc)
    let reply = (): void => undefined
    const { server } = await stage.serve('a', {
      unary: (_call, respond) => {
        reply = () => respond('late')
      },
    })
    const client = stage.dial()
    const underWay = call(grpc, client)
    await expect.poll(() => server.calls).toBe(1)
    const elsewhere = stage.dial('sd:///nothing')
    const waiting = call(grpc, elsewhere, { waitForReady: true })
    const refused = { code: grpc.status.UNAVAILABLE, details: 'The services of sd: were closed' }
    const waited = expect(waiting).rejects.toMatchObject(refused)
    await expect(call(grpc, elsewhere)).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE })
    await stage.services.close()
    await waited
    await expect(call(grpc, client)).rejects.toMatchObject(refused)
    await expect(call(grpc, stage.dial(), { waitForReady: true })).rejects.toMatchObject(refused)
    reply()
    expect(await underWay).toBe('late')
    await stage.services.close()
  })

  test('a closed discovery fails the calls of new channels', async () => {
    await using stage = createStage(grpc)
    await stage.discovery.close()
    await expect(call(grpc, stage.dial())).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringContaining('discovery is closed'),
    })
  })

  test('a closed channel leaves no balancer behind', async () => {
    const balancer = createRoundRobinBalancer()
    await using stage = createStage(grpc, { balancer, discovery: { idleMs: 1 } })
    await stage.serve('a')
    const client = createOrdersClient(grpc, 'sd:///orders')
    await call(grpc, client)
    const cluster = stage.discovery.cluster('orders')
    client.close()
    // Discovery forgets a service only after all balancers were detached.
    await expect.poll(() => stage.discovery.cluster('orders') === cluster, { timeout: 10_000 }).toBe(false)
  })

  test('a second registration of a scheme only affects channels that are created afterwards', async () => {
    await using first = createStage(grpc)
    await first.serve('of the first')
    const client = first.dial('sd:///orders', { 'grpc.client_idle_timeout_ms': 1_000 })
    await call(grpc, client)
    await using second = createStage(grpc)
    await second.serve('of the second')
    expect(await call(grpc, second.dial())).toBe('of the second')
    const state = (): number => client.getChannel().getConnectivityState(false)
    await expect.poll(state, { timeout: 10_000 }).toBe(grpc.connectivityState.IDLE)
    expect(await call(grpc, client)).toBe('of the first')
  })

  test('deadline and cancellation go through a chain of services', async () => {
    await using stage = createStage(grpc)
    const toLast = stage.dial('sd:///last')
    let deadline = 0
    let cancelled = false
    const last = await stage.serve('last', {
      instance: { service: 'last' },
      unary: (incoming) => {
        deadline = Number(incoming.getDeadline())
        incoming.on('cancelled', () => {
          cancelled = true
        })
      },
    })
    await stage.serve('middle', {
      unary: (incoming, reply) => void call(grpc, toLast, { parent: incoming }).then(reply, () => reply('failed')),
    })
    const limit = Date.now() + 20_000
    const client = stage.dial()
    const made: { cancel(): void }[] = []
    const ended = call(grpc, client, { deadline: limit, onCall: (one) => made.push(one) }).catch(({ code }) => code)
    await expect.poll(() => last.server.calls).toBe(1)
    expect(Math.abs(deadline - limit)).toBeLessThan(5_000)
    made[0]?.cancel()
    expect(await ended).toBe(grpc.status.CANCELLED)
    await expect.poll(() => cancelled).toBe(true)
  })

  test('a deadline is passed on from gRPC to gRPC', async () => {
    await using stage = createStage(grpc)
    let left: number | undefined
    await stage.serve('a', {
      unary: (incoming, reply) => {
        left = (readCallDeadline(incoming) ?? Number.NaN) - performance.now()
        reply('done')
      },
    })
    await call(grpc, stage.dial(), { deadline: toCallDeadline(performance.now() + 60_000) })
    expect(left).toBeGreaterThan(30_000)
    expect(left).toBeLessThanOrEqual(61_000)
    await call(grpc, stage.dial(), { deadline: toCallDeadline(undefined) })
    expect(left).toBeNaN()
  })

  test('the process exits by itself after everything but a client was closed', async () => {
    const child = run('./client-process.ts', minor)
    const [text] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    expect(['a', 'b']).toContain(text.toString())
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})

test('errors for invalid options name the field', () => {
  const [[, grpc]] = grpcModules as [(typeof grpcModules)[number]]
  const discovery = { cluster: () => undefined as never }
  const good = { grpc, discovery, balancer: createRoundRobinBalancer() }
  const bad: readonly [field: string, options: object][] = [
    ['grpc.experimental.registerResolver', { grpc: {} }],
    ['discovery.cluster', { discovery: {} }],
    ['balancer', { balancer: undefined }],
    ['balancer.createPicker', { balancer: {} }],
    ['scheme', { scheme: 'dns' }],
    ['scheme', { scheme: 'S D' }],
    ['hashMetadata', { hashMetadata: 'User Id' }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['services.orders.timeoutMs', { services: { orders: { timeoutMs: 'long' } } }],
    ['services.orders.timeout', { services: { orders: { timeout: 1 } } }],
    ['timeout', { timeout: 1 }],
  ]
  for (const [field, options] of bad) {
    expect(() => registerServices({ ...good, ...options } as never)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  }
})

test('a named port has the settings of its service, unless it has its own', () => {
  const [[, grpc]] = grpcModules as [(typeof grpcModules)[number]]
  const services = { orders: { timeoutMs: 200 }, 'orders:admin': { timeoutMs: 300 } }
  const discovery = { cluster: () => undefined as never }
  const { settingsOf } = resolveGrpcServicesOptions({ grpc, discovery, balancer: createRoundRobinBalancer(), services } as never)
  const limits = ['orders', 'orders:grpc', 'orders:admin', 'stock:grpc'].map((name) => settingsOf(name).timeoutMs)
  expect(limits).toEqual([200, 200, 300, 0])
})

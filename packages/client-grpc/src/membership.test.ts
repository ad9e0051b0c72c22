import { setTimeout as delay } from 'node:timers/promises'
import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { createOutlierDetection } from '@sd/outlier-detection'
import { describe, expect, test } from 'vitest'
import { callMany, startLoad } from './testing/load.ts'
import { grpcModules } from './testing/modules.ts'
import { call, type GrpcJs, type OrdersClient } from './testing/orders.ts'
import { startServerProcess } from './testing/processes.ts'
import { createStage } from './testing/stage.ts'

/** Calls until this number of instances has responded, so that all connections are made. */
async function warmUp(grpc: GrpcJs, client: OrdersClient, instances: number): Promise<void> {
  const seen = new Set<string>()
  await expect.poll(async () => seen.add(await call(grpc, client)).size, { timeout: 10_000, interval: 5 }).toBe(instances)
}

describe.each(grpcModules)('grpc-js %s', (_minor, grpc: GrpcJs) => {
  test('round robin spreads calls evenly', async () => {
    await using stage = createStage(grpc)
    for (const name of ['a', 'b', 'c']) await stage.serve(name)
    const client = stage.dial()
    await warmUp(grpc, client, 3)
    expect(await callMany(grpc, client, 30)).toEqual({ answers: { a: 10, b: 10, c: 10 }, failures: [] })
  })

  test('weights are respected', async () => {
    await using stage = createStage(grpc, { balancer: createWeightedRoundRobinBalancer() })
    await stage.serve('a', { instance: { weight: 3 } })
    await stage.serve('b')
    const client = stage.dial()
    await warmUp(grpc, client, 2)
    const { answers } = await callMany(grpc, client, 40)
    expect(answers['a']).toBeGreaterThanOrEqual(29)
    expect(answers['a']).toBeLessThanOrEqual(31)
  })

  test('calls with the same key go to the same instance, including the first one', async () => {
    await using stage = createStage(grpc, { balancer: createConsistentHashBalancer(), hashMetadata: 'user-id' })
    for (const name of ['a', 'b', 'c', 'd']) await stage.serve(name)
    const client = stage.dial()
    const users = ['ada', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gus', 'hal', 'ivy', 'jan']
    const homes = new Set<string>()
    for (const user of users) {
      const { answers, failures } = await callMany(grpc, client, 5, { metadata: { 'user-id': user } })
      expect(failures).toEqual([])
      expect(Object.keys(answers)).toHaveLength(1)
      homes.add(Object.keys(answers)[0] as string)
    }
    expect(homes.size).toBeGreaterThan(1)
  })

  test('a rolling update, with graceful shutdowns, fails no call', async () => {
    await using stage = createStage(grpc)
    let serving = [await stage.serve('a1'), await stage.serve('b1'), await stage.serve('c1')]
    const load = startLoad(grpc, stage.dial())
    for (const round of [2, 3]) {
      const next: typeof serving = []
      for (const old of serving) {
        next.push(await stage.serve(`${old.server.name[0]}${round}`))
        // A server that shuts down first sends GOAWAY, and refuses connections while the registry still has it.
        if (round === 2) await old.registration.deregister()
        else await old.server.shutdown()
        await delay(100)
        if (round === 2) await old.server.shutdown()
        else await old.registration.deregister()
      }
      serving = next
    }
    const { tally } = load
    await expect.poll(() => ['a3', 'b3', 'c3'].every((name) => (tally.answers[name] ?? 0) > 0)).toBe(true)
    await load.stop()
    expect(tally.failures).toEqual([])
  })

  test('a killed instance fails only its own calls', async () => {
    await using stage = createStage(grpc)
    const victim = await startServerProcess()
    await stage.register({ id: 'victim', port: victim.port })
    const client = stage.dial()
    await call(grpc, client, { text: 'hello' })
    const underWay = call(grpc, client).catch(({ code }) => code)
    await expect.poll(() => stage.discovery.cluster('orders').view.endpoints[0]?.active).toBe(1)
    await stage.serve('b')
    await expect.poll(() => stage.discovery.cluster('orders').view.endpoints.length).toBe(2)
    await victim.kill()
    // A race in grpc-js decides which one: the end of the stream or that of the connection.
    expect([grpc.status.UNAVAILABLE, grpc.status.CANCELLED]).toContain(await underWay)
    expect(await callMany(grpc, client, 20)).toEqual({ answers: { b: 20 }, failures: [] })
  })

  test('without instances calls fail, unless they wait for ready', async () => {
    await using stage = createStage(grpc)
    const client = stage.dial()
    const failure = { code: grpc.status.UNAVAILABLE, details: 'No instance of orders may get traffic' }
    await expect(call(grpc, client)).rejects.toMatchObject(failure)
    const waiting = call(grpc, client, { waitForReady: true })
    const ready = new Promise<Error | undefined>((resolve) => client.waitForReady(Date.now() + 20_000, resolve))
    const { registration, server } = await stage.serve('a')
    expect(await waiting).toBe('a')
    expect(await ready).toBeUndefined()
    await registration.deregister()
    await expect.poll(() => call(grpc, client).catch((error) => error.details)).toBe(failure.details)
    await server.shutdown()
    await stage.serve('b')
    await expect.poll(() => call(grpc, client).catch(() => undefined)).toBe('b')
  })

  test('an unreachable instance fails calls with the reason, and is used again once it is reachable', async () => {
    await using stage = createStage(grpc)
    const { server, registration } = await stage.serve('a')
    server.kill()
    const client = stage.dial()
    await expect(call(grpc, client)).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringMatching(/^No instance of orders can be reached: .*ECONNREFUSED/),
    })
    const [endpoint] = stage.discovery.cluster('orders').view.endpoints
    expect([endpoint?.active, (endpoint?.latencyMs ?? 0) >= 1_000]).toEqual([0, true])
    await registration.deregister()
    await expect.poll(() => stage.discovery.cluster('orders').view.endpoints.length).toBe(0)
    await stage.serve('a', { port: server.port })
    expect(await call(grpc, client, { waitForReady: true })).toBe('a')
  })

  test('an unreachable registry does not affect clients that know the instances', async () => {
    await using stage = createStage(grpc)
    const { server } = await stage.serve('a')
    const client = stage.dial()
    await call(grpc, client)
    stage.store.setAvailable(false)
    expect(await callMany(grpc, client, 5)).toEqual({ answers: { a: 5 }, failures: [] })
    expect(server.calls).toBe(6)
    stage.store.setAvailable(true)
  })

  test('a registry that was never reachable fails calls with the reason, until it is reachable', async () => {
    await using stage = createStage(grpc, { discovery: { readyTimeoutMs: 200 } })
    await stage.serve('a')
    stage.store.setAvailable(false)
    const client = stage.dial()
    await expect(call(grpc, client)).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringMatching(/^The instances of orders are not known: /),
    })
    stage.store.setAvailable(true)
    expect(await call(grpc, client, { waitForReady: true })).toBe('a')
  })

  test('a failing instance is ejected, and gets no calls', async () => {
    const monitors = [createOutlierDetection({ consecutive5xx: 3 })]
    await using stage = createStage(grpc, { discovery: { monitors } })
    const bad = await stage.serve('bad', { unary: (_call, _answer, fail) => fail(grpc.status.INTERNAL) })
    for (const name of ['a', 'b', 'c']) await stage.serve(name)
    const client = stage.dial()
    await expect.poll(() => call(grpc, client).catch(() => bad.server.calls), { timeout: 10_000, interval: 5 }).toBe(3)
    await expect
      .poll(
        () =>
          stage.discovery
            .cluster('orders')
            .explain()
            .endpoints.filter(({ dropped }) => dropped === 'ejected').length,
      )
      .toBe(1)
    const { failures } = await callMany(grpc, client, 20)
    expect(failures).toEqual([])
    expect(bad.server.calls).toBe(3)
  })

  test('a blocked endpoint gets no calls', async () => {
    await using stage = createStage(grpc)
    await stage.serve('a')
    await stage.serve('b')
    const client = stage.dial()
    await warmUp(grpc, client, 2)
    const blocked = stage.discovery.cluster('orders').view.endpoints.find(({ instance }) => instance.id === 'a')
    blocked?.block('test')
    expect(await callMany(grpc, client, 10)).toEqual({ answers: { b: 10 }, failures: [] })
    blocked?.unblock('test')
    await warmUp(grpc, client, 2)
  })
})

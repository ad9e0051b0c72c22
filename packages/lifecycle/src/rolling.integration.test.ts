import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, createUndiciTransport } from '@sd/client'
import { settlesWithin, subscribeTelemetry } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { type CertificateSet, type ConstantLoad, createCertificates, startConstantLoad } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { Agent } from 'undici'
import { beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createLifecycle, type Lifecycle } from './index.ts'
import { type EchoServer, startHttpServer, startSecureServer, startWebSocketServer } from './testing/echo-servers.ts'
import { connectGrpcEcho, type GrpcEcho, startGrpcServer } from './testing/grpc-echo.ts'

/** Calls per second. */
const rate = Number(process.env['SD_TEST_RATE'] ?? 300)
const instanceCount = 10

let certificates: CertificateSet
beforeAll(async () => {
  certificates = await createCertificates()
})

type OnPick = (instanceId: string, at: number) => void

interface Caller {
  readonly call: (index: number) => Promise<void>
  readonly close: () => Promise<void>
}

interface Protocol {
  readonly protocol: string
  readonly start: () => Promise<EchoServer>
  readonly connect: (discovery: Discovery, onPick: OnPick) => Caller
}

/** Calls with `@sd/client`, every fourth with a body, none of them repeated. */
function connectHttp(discovery: Discovery, onPick: OnPick, dispatcher?: Agent): Caller {
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    retry: { name: 'never', next: () => undefined },
    transport: createUndiciTransport(dispatcher ? { dispatcher } : {}),
  })
  const unsubscribe = subscribeTelemetry('sd:v1:attempt:end', ({ instanceId, durationMs }) => {
    onPick(instanceId, performance.now() - durationMs)
  })
  return {
    async call(index) {
      const body = index % 4 === 0 ? `${index}` : ''
      const response = await (body ? client.post('orders', '/', { body }) : client.get('orders', '/'))
      expect(await response.text()).toBe(body)
    },
    async close() {
      unsubscribe()
      await client.close()
      await dispatcher?.close()
    },
  }
}

/** Calls with grpc-js, one channel per endpoint. */
function connectGrpc(discovery: Discovery, onPick: OnPick): Caller {
  const attached = discovery.cluster('orders').attach(createRoundRobinBalancer())
  const channels = new Map<string, GrpcEcho>()
  return {
    async call(index) {
      const endpoint = attached.pick({})
      if (!endpoint) throw new Error('There is no endpoint')
      onPick(endpoint.instance.id, performance.now())
      const channel = channels.get(endpoint.key) ?? connectGrpcEcho(endpoint.instance.port)
      channels.set(endpoint.key, channel)
      expect(await channel.echo(`${index}`)).toBe(`${index}`)
    },
    async close() {
      attached.detach()
      for (const channel of channels.values()) channel.close()
    },
  }
}

/** Messages over WebSockets, one socket per endpoint. Records the close codes. */
function connectWebSockets(discovery: Discovery, onPick: OnPick): Caller {
  const attached = discovery.cluster('orders').attach(createRoundRobinBalancer())
  const sockets = new Map<string, Promise<WebSocket>>()
  const waiting = new Map<string, () => void>()
  const closeCodes: number[] = []

  async function open(port: number): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`)
    socket.on('message', (message) => waiting.get(String(message))?.())
    socket.on('close', (code) => closeCodes.push(code))
    await once(socket, 'open')
    return socket
  }
  return {
    async call(index) {
      const endpoint = attached.pick({})
      if (!endpoint) throw new Error('There is no endpoint')
      onPick(endpoint.instance.id, performance.now())
      const opening = sockets.get(endpoint.key) ?? open(endpoint.instance.port)
      sockets.set(endpoint.key, opening)
      const socket = await opening
      const replied = new Promise<void>((resolve) => waiting.set(`${index}`, resolve))
      socket.send(`${index}`)
      if (!(await settlesWithin(replied, 30_000))) throw new Error(`Message ${index} was lost`)
      waiting.delete(`${index}`)
    },
    async close() {
      attached.detach()
      // Only the sockets of the instances that left are closed.
      expect(closeCodes).toEqual(Array.from({ length: instanceCount }, () => 1_001))
      for (const socket of sockets.values()) (await socket).close()
    },
  }
}

const protocols: Record<string, Protocol> = {
  'HTTP/1.1': { protocol: 'http', start: startHttpServer, connect: connectHttp },
  'HTTP/2': {
    protocol: 'https',
    start: () => startSecureServer(certificates.server),
    connect: (discovery, onPick) =>
      connectHttp(discovery, onPick, new Agent({ allowH2: true, connect: { ca: certificates.ca } })),
  },
  gRPC: { protocol: 'grpc', start: startGrpcServer, connect: connectGrpc },
  WebSocket: { protocol: 'http', start: startWebSocketServer, connect: connectWebSockets },
}

test.each(Object.entries(protocols))('a rolling restart over %s loses no request', { timeout: 120_000 }, async (name, kind) => {
  const { protocol, start, connect } = kind
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry })
  /** When the callers no longer had an instance, by id. */
  const removals = new Map<string, number>()
  let load: ConstantLoad | undefined

  /**
   * Waits until no caller can pick the instance, and every call that could have picked it has ended. Callers and servers are one
   * process: a stall longer than `propagationDelayMs` delays both.
   */
  async function whenUnused(id: string): Promise<void> {
    const ids = (): readonly string[] => discovery.cluster('orders').view.endpoints.map(({ instance }) => instance.id)
    await eventually(() => expect(ids()).not.toContain(id), 60_000)
    removals.set(id, performance.now())
    await load?.settled()
  }

  async function startInstance(): Promise<Lifecycle> {
    const { server, port } = await start()
    const id = `127.0.0.1:${port}`
    const instance = { service: 'orders', id, address: '127.0.0.1', port, protocol }
    const lifecycle = createLifecycle({
      registrar: registry,
      server,
      instance,
      propagationDelayMs: 300,
      beforeDrain: [() => whenUnused(id)],
      stepTimeoutMs: 60_000,
      signals: [],
    })
    await lifecycle.start()
    return lifecycle
  }

  const first = await Promise.all(Array.from({ length: instanceCount }, startInstance))
  await discovery.discover('orders')
  const picks: { readonly instanceId: string; readonly at: number }[] = []
  const caller = connect(discovery, (instanceId, at) => picks.push({ instanceId, at }))
  load = startConstantLoad(rate, caller.call)
  const startedAt = performance.now()
  await delay(500)
  const second: Lifecycle[] = []
  for (const lifecycle of first) {
    expect(await lifecycle.close()).toEqual({ drained: true, errors: [] })
    second.push(await startInstance())
  }
  await delay(500)
  await load.stop()
  const perSecond = Math.round((load.calls / (performance.now() - startedAt)) * 1_000)
  process.stdout.write(`${name}: ${load.calls} calls, ${perSecond} per second, ${load.failures.length} lost\n`)

  expect(load.failures).toEqual([])
  expect(picks).toHaveLength(load.calls)
  expect(removals.size).toBe(instanceCount)
  expect(picks.filter(({ instanceId, at }) => at > (removals.get(instanceId) ?? Number.POSITIVE_INFINITY))).toEqual([])
  // All instances had load, and so had their replacements.
  expect(new Set(picks.map(({ instanceId }) => instanceId)).size).toBe(2 * instanceCount)

  await caller.close()
  await Promise.all(second.map((lifecycle) => lifecycle.close()))
  await Promise.all([discovery.close(), registry.close()])
})

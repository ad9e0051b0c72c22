import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { subscribeTelemetry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type Gateway, type GatewayTable } from '@sd/gateway'
import { createGrpc } from '@sd/gateway-grpc'
import { createTcp } from '@sd/gateway-tcp'
import { createUdp } from '@sd/gateway-udp'
import { createWebSocket } from '@sd/gateway-websocket'
import { createStaticRegistry } from '@sd/registry-static'
import { startConstantLoad } from '@sd/test-servers'
import { type EchoService, type OpenWork, startGrpcEcho, startTcpEcho, startUdpEcho, startWebSocketEcho } from './open-work.ts'
import { type Caller, callByHttp1, callByHttp2, startService } from './shop.ts'
import type { Suite } from './suite.ts'

const perProtocol = 50
const tables = 200
const perSecond = 200
const drainMs = 5_000

/** Reloads and a drain with open sockets and streams of every protocol, while requests come. */
export const protocols: Suite = {
  name: 'protocols',
  needs: [],
  async run() {
    const echoes = await Promise.all([startGrpcEcho(), startWebSocketEcho(), startTcpEcho(), startUdpEcho()])
    const shop = await startService('shop')
    const instances = [{ name: 'shop', port: shop.port, protocol: 'http' }, ...echoes].map(({ name, port, protocol }) => {
      return { service: name, address: '127.0.0.1', port, protocol }
    })
    const discovery = createDiscovery({ source: createStaticRegistry({ instances }) })
    const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
    const gateway = await createGateway({
      client,
      discovery,
      protocols: [createGrpc({ discovery }), createWebSocket(), createTcp(), createUdp()],
      closeTimeoutMs: drainMs,
      table: tableOf(0),
    })
    try {
      return [...(await reload(gateway, echoes)), ...(await drain(gateway, echoes))]
    } finally {
      await gateway.close()
      await client.close()
      await discovery.close()
      shop.kill()
      for (const echo of echoes) echo.close()
    }
  },
}

/** Every table has another route; those of the open work stay as they are. */
function tableOf(round: number): GatewayTable {
  return {
    listeners: [
      { name: 'edge', address: '127.0.0.1:0', limits: { pathLength: 8_000 + (round % 3) } },
      { name: 'tcp', address: '127.0.0.1:0', protocols: ['tcp'] },
      { name: 'udp', address: '127.0.0.1:0', protocols: ['udp'] },
    ],
    routes: [
      { name: 'connections', match: { protocol: 'tcp' }, forward: { service: 'tcp' } },
      { name: 'sessions', match: { protocol: 'udp' }, forward: { service: 'udp' } },
      { name: 'chats', match: { protocol: 'websocket', path: '/chat' }, forward: { service: 'websocket' } },
      {
        name: 'calls',
        match: { protocol: 'grpc', path: '/echo.Echo/*' },
        forward: { service: 'grpc' },
        timeouts: { headMs: 0, idleMs: 0 },
      },
      { name: 'shop', match: { path: '/shop' }, forward: { service: 'shop' } },
      { name: 'other', match: { path: `/${round}` }, respond: { status: 200 } },
    ],
  }
}

async function openAll(gateway: Gateway, echoes: readonly EchoService[]): Promise<readonly OpenWork[]> {
  const portOf = (name: string): number => gateway.addresses.find(({ listener }) => listener === name)?.port ?? 0
  const opened = await Promise.all(
    echoes.flatMap((echo) => Array.from({ length: perProtocol }, () => echo.open(portOf(echo.listener)))),
  )
  await Promise.all(opened.map((work) => work.exchange()))
  return opened
}

/** Calls by HTTP/2 over another connection after a GOAWAY, and again after a refused stream, as clients do. */
function callByNewestHttp2(port: number): Caller {
  let caller = callByHttp2(port)
  return {
    async get(path) {
      const used = caller
      try {
        return await used.get(path)
      } catch (error) {
        if (!/REFUSED_STREAM|GOAWAY|INVALID_SESSION/.test(String((error as NodeJS.ErrnoException).code) + String(error)))
          throw error
        if (caller === used) caller = callByHttp2(port)
        return caller.get(path)
      }
    },
    close: () => caller.close(),
  }
}

function startLoad(gateway: Gateway) {
  const port = gateway.addresses[0]?.port ?? 0
  const callers = [callByHttp1(port), callByNewestHttp2(port)]
  const load = startConstantLoad(perSecond, (index) => (callers[index % 2] as (typeof callers)[0]).get('/shop'))
  return {
    load,
    async stop() {
      await load.stop()
      for (const caller of callers) caller.close()
    },
  }
}

async function reload(gateway: Gateway, echoes: readonly EchoService[]): Promise<readonly string[]> {
  const opened = await openAll(gateway, echoes)
  const { load, stop } = startLoad(gateway)
  for (let round = 1; round <= tables; round++) {
    await gateway.configure(tableOf(round))
    if (round % 20 === 0) await Promise.all(opened.map((work) => work.exchange()))
    await delay(20)
  }
  await stop()
  const ended = opened.filter((work) => work.ended !== undefined)
  console.log(`  ${tables} tables with ${opened.length} open sockets and streams: ${ended.length} ended`)
  console.log(`  ${load.calls} requests, ${load.failures.length} failed`)
  for (const work of opened) work.close()
  return [
    ...ended.map((work) => `reload: ${work.name} ended with ${work.ended}`),
    ...load.failures.slice(0, 5).map((failure) => `reload: ${failure}`),
  ]
}

/** What clients must see when the gateway drains and they stay open until its limit. */
const wanted: Readonly<Record<string, RegExp>> = {
  websocket: /^code 1001$/,
  grpc: /GOAWAY|status 14/,
  // The service has got the end of the client's side, and has ended its own.
  tcp: /^end$/,
  udp: /^$/,
}

async function drain(gateway: Gateway, echoes: readonly EchoService[]): Promise<readonly string[]> {
  const opened = await openAll(gateway, echoes)
  const reasons = new Map<string, number>()
  const end = subscribeTelemetry('sd:v1:gateway:exchange', ({ exchange, outcome }) => {
    const key = `${exchange.route}: ${outcome.error?.code ?? 'no error'}`
    reasons.set(key, (reasons.get(key) ?? 0) + 1)
  })
  const streams = new Map<string, number>()
  const endStreams = subscribeTelemetry('sd:v1:gateway:connection', ({ state, route, reason }) => {
    if (state === 'closed' && route) streams.set(`${route}: ${reason}`, (streams.get(`${route}: ${reason}`) ?? 0) + 1)
  })
  const { load, stop } = startLoad(gateway)
  await delay(500)
  gateway.drainable.beginDrain()
  await delay(500)
  await stop()
  const closing = gateway.close()
  // Calls that end during the drain are complete.
  const completed = opened.filter(({ name }) => name === 'grpc').slice(0, perProtocol / 2)
  for (const work of completed) work.close()
  await closing
  await delay(500)
  end()
  endStreams()
  console.log(`  drain: ${load.calls} requests, ${load.failures.length} failed`)
  for (const [reason, count] of [...reasons, ...streams]) console.log(`  drain: ${count} of ${reason}`)
  // Sessions of before, whose clients have left, may still be there.
  const uncounted = ['connections: drain', 'sessions: drain'].filter((reason) => (streams.get(reason) ?? 0) < perProtocol)
  const problems = opened.filter(({ name, ended = '' }) => !wanted[name]?.test(ended))
  return [
    ...load.failures.slice(0, 5).map((failure) => `drain: ${failure}`),
    ...completed
      .filter(({ ended = '' }) => !ended.startsWith('status 0'))
      .map(({ ended }) => `drain: a call ended with ${ended}`),
    ...uncounted.map((reason) => `drain: ${streams.get(reason) ?? 0} of ${reason}, want ${perProtocol}`),
    ...problems.slice(0, 5).map((work) => `drain: ${work.name} ended with ${work.ended}`),
  ]
}

import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openStage } from '../app/stage.ts'
import { type Contender, measurePaired, type PairedResult } from '../paired.ts'
import { type Finding, formatRatio, judgeRatio } from '../report.ts'
import { pipeGateway, tcpGateway, udpGateway, webSocketGateway } from './programs.ts'
import { type MeasuredProxy, spawnOn, startNodeProxy, startServer } from './proxy.ts'
import { haproxy, nginxDatagrams } from './servers.ts'
import type { StreamServices, StreamTask } from './stream-load.ts'

const rounds = 9
const trips = 20_000
const bulkBytes = 512 * 1_048_576
const folders = [
  'gateway',
  'gateway-tcp',
  'gateway-udp',
  'gateway-websocket',
  'discovery',
  'balancer-round-robin',
  'registry-memory',
]

type Load = (task: StreamTask) => Promise<void>

/** What is started for a measurement. */
interface Bench {
  readonly services: StreamServices
  readonly load: Load
  readonly proxies: MeasuredProxy[]
  startOurs(name: string, program: string, servicePort: number): Promise<MeasuredProxy>
}

/** Messages of WebSockets through the gateway, beside the same gateway that passes the bytes on unread. */
export function benchWebSocket(): Promise<readonly Finding[]> {
  return withBench(async ({ services, load, startOurs }) => {
    const pipe = await startOurs('pipe', pipeGateway, services.websocket)
    const ours = await startOurs('websocket', webSocketGateway, services.websocket)
    const findings: Finding[] = []
    for (const batch of [1, 16]) {
      const measured = await measure([pipe, ours], load, (port) => ({ kind: 'websocket', port, trips: trips * batch, batch }))
      const result = measured[1] as PairedResult
      findings.push({
        subject: `gateway, CPU per WebSocket message and response, ${batch} at once: with counts against bytes that are not read`,
        measured: describe(result),
        ...(batch === 1 && judgeRatio(result, 1.02)),
      })
    }
    return findings
  })
}

/** Round trips and bulk over TCP, beside haproxy. */
export function benchTcp(): Promise<readonly Finding[]> {
  return withBench(async ({ services, load, proxies, startOurs }) => {
    const findings: Finding[] = []
    const parts = [
      { subject: 'CPU per TCP round trip', service: services.tcp, task: { kind: 'tcp', trips } as const, goal: 1.5 },
      { subject: 'CPU per MB over TCP', service: services.sink, task: { kind: 'bulk', bytes: bulkBytes } as const, goal: 1.3 },
    ]
    for (const { subject, service, task, goal } of parts) {
      const peer = await startServer(haproxy(service, 'tcp'))
      if (!peer) return [{ subject: 'gateway, TCP', measured: 'not measured: haproxy is not installed' }]
      proxies.push(peer)
      const ours = await startOurs(`tcp-${task.kind}`, tcpGateway, service)
      const measured = await measure([peer, ours], load, (port) => ({ ...task, port }))
      findings.push(...compare(`gateway, ${subject}`, measured, goal))
    }
    return findings
  })
}

/** Round trips over UDP, beside nginx. */
export function benchUdp(): Promise<readonly Finding[]> {
  return withBench(async ({ services, load, proxies, startOurs }) => {
    const peer = await startServer(nginxDatagrams(services.udp))
    if (!peer) return [{ subject: 'gateway, UDP', measured: 'not measured: nginx is not installed' }]
    proxies.push(peer)
    const ours = await startOurs('udp', udpGateway, services.udp)
    const measured = await measure([peer, ours], load, (port) => ({ kind: 'udp', port, trips }))
    return compare('gateway, CPU per UDP round trip', measured, 1.8)
  })
}

async function withBench(run: (bench: Bench) => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  const stage = await openStage(folders, [])
  const proxies: MeasuredProxy[] = []
  const child = spawnOn('load', process.execPath, [fileURLToPath(new URL('stream-load.ts', import.meta.url))], 'ipc')
  try {
    const [services] = (await once(child, 'message')) as [StreamServices]
    return await run({
      services,
      proxies,
      async load(task) {
        child.send(task)
        const [{ failure }] = (await once(child, 'message')) as [{ failure?: string }]
        if (failure !== undefined) throw new Error(failure)
      },
      async startOurs(name, program, servicePort) {
        const proxy = await startNodeProxy('@sd/gateway', await stage.write(`${name}.mjs`, program), [String(servicePort)])
        proxies.push(proxy)
        return proxy
      },
    })
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    child.disconnect()
    await stage.close()
  }
}

/** A proxy with its CPU time per unit: a round trip, or a megabyte. */
function measure(
  proxies: readonly MeasuredProxy[],
  load: Load,
  taskFor: (port: number) => StreamTask,
): Promise<readonly PairedResult[]> {
  const contenders = proxies.map((proxy): Contender => {
    const task = taskFor(proxy.port)
    const units = task.kind === 'bulk' ? task.bytes / 1_048_576 : task.trips
    return {
      name: proxy.name,
      async slice() {
        const before = proxy.cpu()
        await load(task)
        return (proxy.cpu() - before) / units
      },
    }
  })
  return measurePaired(contenders, rounds)
}

function compare(subject: string, [peer, ours]: readonly PairedResult[], goal: number): readonly Finding[] {
  if (!peer || !ours) return []
  return [
    { subject: `${subject}, against ${peer.name}`, measured: describe(ours), ...judgeRatio(ours, goal) },
    { subject: `${subject}: ${peer.name}`, measured: `${peer.cost.toFixed(1)} µs` },
  ]
}

function describe(result: PairedResult): string {
  return `${formatRatio(result)}, ${result.cost.toFixed(1)} µs`
}

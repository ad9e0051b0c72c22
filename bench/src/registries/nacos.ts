import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from '@sd/core'
import { createNacosRegistry } from '@sd/registry-nacos'
import { findServer, type NacosServer, startNacos } from '@sd/test-servers'
import { quantile } from '../paired.ts'
import type { Finding } from '../report.ts'
import { measureFootprint } from './footprint.ts'

const refreshIntervalMs = 1_000
const changes = 40

/** A way to reach the server, and its goal for the propagation of a change. */
interface Way {
  readonly name: string
  readonly portOf: (server: NacosServer) => number
  readonly open: (server: NacosServer, port: number) => Registry
  readonly goalMs: number
}

const ways: readonly Way[] = [
  {
    name: 'nacos, gRPC',
    portOf: ({ grpcPort }) => grpcPort,
    open: ({ port: http }, port) =>
      createNacosRegistry({ api: 'grpc', servers: [`127.0.0.1:${http}`], grpcPortOffset: port - http }),
    goalMs: 500,
  },
  {
    name: `nacos, v1 every ${refreshIntervalMs} ms`,
    portOf: ({ port }) => port,
    open: (_, port) => createNacosRegistry({ api: 'v1', servers: [`127.0.0.1:${port}`], refreshIntervalMs }),
    goalMs: refreshIntervalMs * 1.1,
  },
]

/** Measures push by gRPC, and polling by v1 against its interval. */
export async function benchNacos(): Promise<readonly Finding[]> {
  const source = await findServer('nacos', { own: true })
  if (!source) return []
  const findings: Finding[] = []
  for (const way of ways) {
    const server = await startNacos(source)
    findings.push(await measurePropagation(way, server))
    const { name, portOf, open } = way
    findings.push(...(await measureFootprint({ name, port: portOf(server), open: (port) => open(server, port) })))
    await server.close()
  }
  return findings
}

async function measurePropagation({ name, portOf, open, goalMs }: Way, server: NacosServer): Promise<Finding> {
  const [writer, reader] = [open(server, portOf(server)), open(server, portOf(server))]
  const controller = new AbortController()
  let seen: readonly string[] = []
  void (async () => {
    for await (const { value } of reader.watch('orders', { signal: controller.signal })) {
      seen = value?.instances.map(({ id }) => id) ?? []
    }
  })()
  const times: number[] = []
  for (let change = 0; change < changes; change++) {
    // At a random moment of the interval.
    await delay(Math.random() * refreshIntervalMs)
    const startedAt = performance.now()
    const id = `i-${change}`
    void writer.register({ service: 'orders', id, address: '10.0.0.1', port: 1_000 + change })
    while (!seen.includes(id)) await delay(1)
    times.push(performance.now() - startedAt)
  }
  controller.abort()
  await Promise.all([writer.close(), reader.close()])
  const longest = Math.max(...times)
  return {
    subject: `${name}: propagation of a registration, P50 and longest`,
    measured: `${quantile(times, 0.5).toFixed(0)} and ${longest.toFixed(0)} ms`,
    goal: `≤ ${goalMs} ms`,
    met: longest <= goalMs,
  }
}

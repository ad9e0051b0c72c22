import { connect, createServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from '@sd/core'
import type { Finding } from '../report.ts'

/** A backend whose idle cost is measured. */
export interface FootprintSubject {
  /** Name of the backend. */
  readonly name: string
  /** Port of the server on 127.0.0.1. */
  readonly port: number
  /** Opens our client through a port of 127.0.0.1. */
  readonly open: (port: number) => Registry
}

const watchedServices = 300
const registrations = 1_000
const idleMs = 15_000

/** Measures the idle cost of 300 watched services and 1,000 registrations in one process. */
export async function measureFootprint({ name, port, open }: FootprintSubject): Promise<readonly Finding[]> {
  const meter = await startMeter(port)
  const before = heapAfterGc()
  const registry = open(meter.port)
  const controller = new AbortController()
  let firsts = 0
  for (let index = 0; index < watchedServices; index++) {
    void (async () => {
      let isFirst = true
      for await (const { value } of registry.watch(`service-${index}`, { signal: controller.signal })) {
        if (isFirst && value) firsts++
        isFirst = false
      }
    })()
  }
  for (let start = 0; start < registrations; start += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, step) => {
        const index = start + step
        return registry.register({
          service: `service-${index % watchedServices}`,
          id: `i-${index}`,
          address: '10.0.0.1',
          port: 1_000 + index,
        })
      }),
    )
  }
  while (firsts < watchedServices) await delay(50)
  await delay(2_000)
  const heap = heapAfterGc() - before
  const { writes } = meter
  await delay(idleMs)
  const perSecond = ((meter.writes - writes) * 1_000) / idleMs
  const { connections } = meter
  controller.abort()
  await registry.close()
  await meter.close()
  return [
    {
      subject: `${name}: 300 watches and 1,000 registrations in one process`,
      measured: `${connections} connections, ${perSecond.toFixed(0)} packets/s sent at idle, ${(heap / 1_048_576).toFixed(1)} MiB heap`,
    },
  ]
}

function heapAfterGc(): number {
  for (let times = 0; times < 3; times++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

interface Meter {
  readonly port: number
  /** Open connections. */
  readonly connections: number
  /** Number of packets from the client, approximately its requests. */
  readonly writes: number
  close(): Promise<void>
}

/** Forwards to the server, and counts. */
async function startMeter(upstream: number): Promise<Meter> {
  let connections = 0
  let writes = 0
  const server: Server = createServer((client) => {
    connections++
    const target = connect(upstream, '127.0.0.1')
    client.on('data', (chunk) => {
      writes++
      target.write(chunk)
    })
    target.pipe(client)
    client.on('close', () => {
      connections--
      target.destroy()
    })
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      socket.on('error', () => other.destroy())
    }
    target.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return connections
    },
    get writes() {
      return writes
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type EdgeCounts, LATENCY_BOUNDS, type ProcessSnapshot } from '@sd/admin'
import type { StateReport } from '@sd/core'
import { callsOf, type FleetShape, serviceOf } from './shape.ts'

// The admin endpoints of a whole fleet in one process, told apart by the address that is asked. It tells its port to its parent,
// and for each message the bytes that it has sent since the last one.

const shape = JSON.parse(process.argv[2] ?? '') as FleetShape
const isZipped = process.argv[3] === 'gzip'
const startedAt = Date.now() - 3_600_000
let sent = 0
let answers = 0

const server = createServer((request, response) => {
  const [, , high, low] = (request.headers.host ?? '').split(/[.:]/)
  const text = JSON.stringify(snapshotOf(Number(high) * 256 + Number(low)))
  const body = isZipped ? gzipSync(text, { level: 1 }) : text
  sent += body.length
  answers++
  response.writeHead(200, { 'content-type': 'application/json', ...(isZipped && { 'content-encoding': 'gzip' }) }).end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '0.0.0.0', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  process.send?.({ sent, answers })
  sent = 0
  answers = 0
})
process.on('disconnect', () => process.exit())

function snapshotOf(index: number): ProcessSnapshot {
  const now = Date.now()
  const service = serviceOf(index, shape)
  const instanceId = `instance-${index}`
  const calls = callsOf(index, shape)
  return {
    info: {
      protocol: 1,
      processId: `process-${index}`,
      host: `host-${index}`,
      pid: 1_000 + index,
      instances: [{ service, instanceId }],
      name: service,
      startedAt,
      now,
      node: '24.0.0',
      packages: Object.fromEntries(
        ['core', 'client', 'discovery', 'retry', 'config', 'lifecycle', 'admin'].map((name) => [`@sd/${name}`, ['1.0.0']]),
      ),
      controls: [],
    },
    states: statesOf(index, service, instanceId, calls),
    edges: {
      since: startedAt,
      edges: calls.flatMap(({ service: to, instances }) => [
        countsOf(to, index, now, undefined),
        ...instances.map((id) => countsOf(to, index, now, id)),
      ]),
      omitted: 0,
    },
    system: {
      cpu: 0.1 + (index % 10) / 100,
      residentBytes: 100_000_000 + index,
      heapUsedBytes: 24_000_000 + (now % 1_000_000),
      heapLimitBytes: 4_000_000_000,
      loopDelayMs: 2.5,
      uptimeMs: now - startedAt,
      databases: [],
    },
    lifecycles: [{ state: 'ready', since: startedAt, registration: { service, instanceId, state: 'active' } }],
    health: [
      {
        status: 'healthy',
        isLive: true,
        isReady: true,
        checks: [{ check: 'db', kind: 'readiness', status: 'healthy', since: startedAt, checkedAt: now }],
      },
    ],
    alerts: [],
    locks: [],
    configs: [
      {
        config: 'app',
        version: 1,
        updatedAt: startedAt,
        digest: `digest-${service}`,
        sources: [{ source: 'file' }, { source: 'environment' }],
      },
    ],
    gateways: [],
  }
}

function statesOf(index: number, service: string, instanceId: string, calls: ReturnType<typeof callsOf>): readonly StateReport[] {
  return [
    { kind: 'backend', backend: 'consul', role: 'registry', state: 'connected', since: startedAt },
    { kind: 'registration', registry: 'consul', service, instanceId, state: 'active', since: startedAt },
    {
      kind: 'config',
      config: 'app',
      version: 1,
      updatedAt: startedAt,
      staleSources: [],
      refusedSources: [],
      degradedForMs: 0,
      digest: `digest-${service}`,
    },
    ...calls.flatMap(({ service: to, instances }): StateReport[] => [
      {
        kind: 'cluster',
        service: to,
        instances: { healthy: instances.length, unhealthy: 0, draining: 0, unknown: 0 },
        eligible: instances.length,
        ejected: 0,
        out: 0,
        isPanic: false,
        held: 0,
        staleForMs: 0,
        startedAt: 1_000 + index,
        hits: Math.floor(Date.now() / 100) % 1_000_000,
        misses: 1,
        updates: 3,
      },
      ...instances.map((id): StateReport => ({ kind: 'breaker', breaker: to, service: to, instanceId: id, state: 'closed' })),
      { kind: 'retry-budget', service: to, available: 10 },
      { kind: 'limit', limit: to, service: to, max: 20, active: index % 3, waiting: 0 },
    ]),
  ]
}

/** Ten calls per second since the start. */
function countsOf(service: string, index: number, now: number, instanceId: string | undefined): EdgeCounts {
  const total = Math.floor((now - startedAt) / 100) + index
  const slow = Math.floor(total / 50)
  return {
    service,
    ...(instanceId !== undefined && { instanceId }),
    total,
    failed: { SD_TIMEOUT: Math.floor(total / 1_000) },
    retries: Math.floor(total / 500),
    hedges: 0,
    refused: {},
    latency: Array.from({ length: LATENCY_BOUNDS.length + 1 }, (_, bucket) =>
      bucket === 2 ? total - slow : bucket === 6 ? slow : 0,
    ),
    latencySumMs: total * 4.25,
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServiceInstance } from '@sd/core'
import { createFleet, type Fleet } from '@sd/fleet'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { longestBlock } from '../longest-block.ts'
import type { Finding } from '../report.ts'
import { addressOf, callsOf, type FleetShape, serviceOf } from './shape.ts'

const polls = 10
/** Time between two polls by default. */
const intervalSeconds = 2
const megabyte = 1_000_000

/** Measures what a reader of 500 processes costs, and of 2,000. */
export async function benchFleet(): Promise<readonly Finding[]> {
  const half = { processes: 500, services: 300 }
  return [
    ...(await measure(half, 'gzip')),
    ...(await measure(half, 'plain')),
    ...(await measure({ processes: 2_000, services: 300 }, 'gzip')),
  ]
}

async function measure(shape: FleetShape, encoding: 'gzip' | 'plain'): Promise<readonly Finding[]> {
  const endpoints = fork(new URL('./endpoints-process.ts', import.meta.url), [JSON.stringify(shape), encoding])
  const registry = createMemoryRegistry()
  const what = `${shape.processes} processes, ${shape.services} services, ${encoding}`
  let fleet: Fleet | undefined
  try {
    const [{ port }] = (await once(endpoints, 'message')) as [{ readonly port: number }]
    registerAll(registry, shape, port)
    const heapBefore = heapAfterGc()
    fleet = createFleet({ source: registry, requestTimeoutMs: 30_000, intervalMs: 60_000 })
    const first = await fleet.refresh()
    const answered = first.processes.filter(({ state }) => state === 'answers').length
    if (answered !== shape.processes) throw new Error(`${answered} of ${shape.processes} processes answered`)
    await fleet.refresh()
    await readSent(endpoints)
    const startedAt = process.cpuUsage()
    const opened = fleet
    const block = await longestBlock(async () => {
      for (let poll = 0; poll < polls; poll++) await opened.refresh()
    })
    const { user, system } = process.cpuUsage(startedAt)
    const { sent, answers } = await readSent(endpoints)
    const perSecond = sent / polls / intervalSeconds
    const model = fleet.model
    return [
      {
        subject: `polling: bytes per second, ${what}`,
        measured: `${(perSecond / megabyte).toFixed(2)} MB/s, ${(sent / answers / 1_000).toFixed(1)} KB per answer`,
        ...(shape.processes === 500 && encoding === 'gzip' && { goal: '≤ 1 MB/s', met: perSecond <= megabyte }),
      },
      { subject: `polling: CPU per poll, ${what}`, measured: `${((user + system) / 1_000 / polls).toFixed(0)} ms` },
      { subject: `polling: longest block of the event loop, ${what}`, measured: `${block.toFixed(0)} ms` },
      {
        subject: `model: JSON, and heap with the past, ${what}`,
        measured: `${(JSON.stringify(model).length / megabyte).toFixed(1)} MB, ${((heapAfterGc() - heapBefore) / megabyte).toFixed(0)} MB; ${model.edges.length} edges`,
      },
    ]
  } finally {
    await fleet?.close()
    await registry.close()
    endpoints.disconnect()
    await once(endpoints, 'exit')
  }
}

function registerAll(registry: MemoryRegistry, shape: FleetShape, port: number): void {
  for (let index = 0; index < shape.processes; index++) {
    const instance = createServiceInstance({
      service: serviceOf(index, shape),
      id: `instance-${index}`,
      address: addressOf(index),
      port: 8_080,
      ports: { 'sd-admin': port },
      version: '1.2.3',
      metadata: { team: 'orders' },
      needs: callsOf(index, shape).map(({ service }) => service),
      ttlMs: 600_000,
    })
    registry.store.put(instance, 'bench')
  }
}

async function readSent(endpoints: ChildProcess): Promise<{ readonly sent: number; readonly answers: number }> {
  endpoints.send('sent')
  const [counts] = (await once(endpoints, 'message')) as [{ readonly sent: number; readonly answers: number }]
  return counts
}

/** Heap, and the buffers of typed arrays outside of it. */
function heapAfterGc(): number {
  for (let times = 0; times < 3; times++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createServiceInstance, type InstanceSpec } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createTestEndpoints, createTestView } from '@sd/testing'
import { longestBlock } from './longest-block.ts'
import { quantile } from './paired.ts'
import type { Finding } from './report.ts'

const serviceCount = 1_000
const instanceCount = 10_000

function spec(index: number): InstanceSpec {
  return {
    service: `service-${index % serviceCount}`,
    id: `instance-${index}`,
    address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    port: 8_080,
    version: '1.2.3',
    tags: ['eu', 'blue'],
    metadata: { team: 'orders', zone: 'a' },
    ttlMs: 600_000,
  }
}

function heapAfterGc(): number {
  for (let times = 0; times < 3; times++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

async function settled(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Measures 10,000 instances of 1,000 services. */
export async function benchScale(): Promise<readonly Finding[]> {
  const start = heapAfterGc()
  let plain: unknown[] | undefined = Array.from({ length: instanceCount }, (_, index) => createServiceInstance(spec(index)))
  const plainBytes = heapAfterGc() - start
  plain.length = 0
  plain = undefined

  const registry = createMemoryRegistry()
  for (let index = 0; index < instanceCount; index++) registry.store.put(createServiceInstance(spec(index)), 'bench')
  const beforeDiscovery = heapAfterGc()
  const discovery = createDiscovery({ source: registry, coalesceMs: 0 })
  const load = async (): Promise<void> => {
    // As in a client: services are used one after the other, each with the registry's response in a separate event.
    for (let index = 0; index < serviceCount; index++) {
      await discovery.cluster(`service-${index}`).ready()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const loadStartedAt = process.cpuUsage()
  const loadBlock = await longestBlock(load)
  const fullMs = cpuMs(loadStartedAt)
  const discoveryBytes = heapAfterGc() - beforeDiscovery

  const changes: number[] = []
  for (let change = 0; change < 200; change++) {
    const service = `service-${change}`
    const { epoch } = discovery.cluster(service).view
    const before = process.cpuUsage()
    registry.store.put(createServiceInstance({ ...spec(change), weight: 2 + change }), 'bench')
    await settled(() => discovery.cluster(service).view.epoch !== epoch)
    changes.push(cpuMs(before))
  }
  const changeBlock = await longestBlock(async () => {
    for (let change = 0; change < 200; change++) {
      registry.store.put(createServiceInstance({ ...spec(change), weight: 500 + change }), 'bench')
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  await discovery.close()
  await registry.close()

  const share = quantile(changes, 0.5) / fullMs
  const block = Math.max(loadBlock, changeBlock)
  const heapRatio = (plainBytes + discoveryBytes) / plainBytes
  return [
    {
      subject: 'heap of instances and discovery against the instances alone, 10,000 over 1,000 services',
      measured: `${heapRatio.toFixed(2)} × (${(plainBytes / 1e6).toFixed(1)} MB + ${(discoveryBytes / 1e6).toFixed(1)} MB)`,
      goal: '≤ 2 ×',
      met: heapRatio <= 2,
    },
    {
      subject: 'CPU of one change against a full build',
      measured: `${(share * 100).toFixed(2)} % of ${fullMs.toFixed(0)} ms`,
      goal: '≤ 1 %',
      met: share <= 0.01,
    },
    {
      subject: 'longest block of the event loop, load and 200 changes',
      measured: `${block.toFixed(1)} ms`,
      goal: '≤ 10 ms',
      met: block <= 10,
    },
    ...benchRing(),
  ]
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1_000
}

/** Measures the cost of building and changing a hash ring. */
function benchRing(): readonly Finding[] {
  return [1_000, 10_000].map((count) => {
    const endpoints = createTestEndpoints(new Array<number>(count + 1).fill(1))
    const balancer = createConsistentHashBalancer()
    const time = (run: () => unknown): number =>
      quantile(
        Array.from({ length: 7 }, () => elapsed(run)),
        0.5,
      )
    const view = createTestView(endpoints.slice(1))
    const full = time(() => balancer.createPicker(view))
    const picker = balancer.createPicker(view)
    const changed = time(() => balancer.createPicker(createTestView(endpoints.slice(0, count)), picker))
    return {
      subject: `hash ring of ${count.toLocaleString('en')}: full build, and one instance replaced`,
      measured: `${full.toFixed(1)} ms, ${changed.toFixed(1)} ms`,
    }
  })
}

function elapsed(run: () => unknown): number {
  const startedAt = performance.now()
  run()
  return performance.now() - startedAt
}

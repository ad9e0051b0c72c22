import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createDiscovery } from '@sd/discovery'
import { createFaultContext, type FaultContext, isLongRun, type RegistrySubject } from '@sd/test-faults'
import { startConstantLoad } from '@sd/test-servers'
import { expect } from 'vitest'
import type { Backend } from './backends.ts'
import { callThroughOutage, createCaller, startInstances } from './calls.ts'
import { forEachBackend, type Stage, type StageCases } from './for-each-backend.ts'
import { type OutageKind, outageMinutes, outages } from './outages.ts'

// Discovery and the client while the registry is down: callers are not affected.

/** Runs `work` with three registered instances that respond to calls. */
async function withInstances(
  { backend: { name, ttlMs }, running, target }: Stage,
  work: (context: FaultContext<RegistrySubject>) => Promise<void>,
): Promise<void> {
  const instances = await startInstances(3)
  const subject = { name, ttlMs, target: () => target, open: running.openRegistry }
  const context = await createFaultContext(subject, instances.ports)
  try {
    await work(context)
  } finally {
    await context.dispose()
    await instances.close()
  }
}

async function callThroughShortOutage({
  target,
  watcher,
  probe,
  open,
  link,
  recovered,
}: FaultContext<RegistrySubject>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sd-faults-'))
  try {
    const warm = createDiscovery({ source: watcher, snapshots: { directory } })
    await warm.discover('orders')
    await target.server.kill()
    await probe.untilStale(true)
    expect(await callThroughOutage(warm, 10_000)).toEqual({ failed: 0, answered: 3 })
    await warm.close()

    const cold = createDiscovery({ source: open(link.port), snapshots: { directory } })
    const startedAt = performance.now()
    const snapshot = await cold.discover('orders')
    expect(performance.now() - startedAt, 'a cold start').toBeLessThan(3_000)
    expect(snapshot).toMatchObject({ instances: { length: 3 }, stale: true })
    await cold.close()
    await target.server.start()
    await recovered('outage under load')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Makes 10,000 calls at a constant rate during the outage, and goes on until everything has recovered. */
async function callThroughLongOutage(kind: OutageKind, context: FaultContext<RegistrySubject>): Promise<void> {
  const { begin, end } = outages[kind]
  await using discovery = createDiscovery({ source: context.watcher })
  await discovery.discover('orders')
  await using client = createCaller(discovery)
  await begin(context)
  const seconds = outageMinutes * 60
  const load = startConstantLoad(10_000 / seconds, async () => (await client.get('orders', '/')).text())
  await delay(seconds * 1_000)
  await end(context)
  await context.recovered(`${kind} for ${outageMinutes} minutes`)
  await load.stop()
  console.info(`${context.harness.name}: ${load.calls} calls, ${load.failures.length} failed`)
  expect(load.failures).toEqual([])
  expect(load.calls).toBeGreaterThanOrEqual(10_000)
}

function longOutages(backend: Backend): StageCases {
  const cases = (backend.longOutages ?? ['without the server']).map((kind) => [
    `no call fails in ${outageMinutes} minutes ${kind}`,
    (stage: Stage) => withInstances(stage, (context) => callThroughLongOutage(kind, context)),
  ])
  return Object.fromEntries(cases)
}

await forEachBackend((backend) => ({
  'no call fails while the server is down, nor after a start without it': (stage) => withInstances(stage, callThroughShortOutage),
  ...(isLongRun && longOutages(backend)),
}))

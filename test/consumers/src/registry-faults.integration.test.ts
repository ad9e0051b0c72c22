import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createDiscovery } from '@sd/discovery'
import { createFaultContext, type FaultContext, isLongRun, type RegistrySubject } from '@sd/test-faults'
import { expect } from 'vitest'
import { callThroughOutage, startInstances } from './calls.ts'
import { forEachBackend, type Stage } from './for-each-backend.ts'
import { outageMinutes } from './outage-minutes.ts'

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

/** Makes 10,000 calls, spread over the outage. */
async function callThroughLongOutage({ target, watcher, recovered }: FaultContext<RegistrySubject>): Promise<void> {
  await using discovery = createDiscovery({ source: watcher })
  await discovery.discover('orders')
  await target.server.kill()
  const rounds = outageMinutes * 6
  for (let round = 0; round < rounds; round++) {
    const { failed } = await callThroughOutage(discovery, Math.ceil(10_000 / rounds))
    expect(failed, `calls failed ${round * 10} s into the outage`).toBe(0)
    await delay(10_000)
  }
  await target.server.start()
  await recovered(`unreachable for ${outageMinutes} minutes`)
}

await forEachBackend({
  'no call fails while the server is down, nor after a start without it': (stage) => withInstances(stage, callThroughShortOutage),
  ...(isLongRun && {
    [`no call fails in ${outageMinutes} minutes without the server`]: (stage: Stage) =>
      withInstances(stage, callThroughLongOutage),
  }),
})

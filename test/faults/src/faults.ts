import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { bindCases, type CaseBody, type ContractCase, eventually, probeWatch, within } from '@sd/testing'
import { createFaultContext, type FaultContext, type FaultHarness, faultSpec } from './fault-context.ts'
import { isLongRun } from './fault-scene.ts'
import { soak, soakMinutes } from './soak.ts'

/** Invalid entries of all kinds, as other tools and attackers would leave them. */
const garbage: readonly string[] = [
  '',
  'null',
  '[]',
  '"text"',
  '{',
  '{"address":1}',
  '{"address":"10.0.0.9","port":"x"}',
  '{"address":"http://x","port":80}',
  '{"address":"10.0.0.9","port":80,"metadata":{"__proto__":{"polluted":true}},"tags":{"length":1e9}}',
  `{"address":"10.0.0.9","port":80,"weight":${'9'.repeat(400)}}`,
  `${'['.repeat(5_000)}`,
  '\u0000\ufffd\u202e',
]

const cases: Readonly<Record<string, CaseBody<FaultContext>>> = {
  'a server that is killed and restarted': async ({ target, probe, recovered }) => {
    await target.server.kill()
    await probe.untilStale(true)
    assert.equal(probe.seen.at(-1)?.value?.instances.length, 3, 'a stale watch keeps its list')
    await delay(500)
    await target.server.start()
    await recovered('killed and restarted')
  },

  'a server that restarts empty': async ({ target, harness, probe, recovered }) => {
    await target.server.restartEmpty()
    await harness.afterEmptyRestart?.()
    await recovered('restarted empty')
    assertNeverEmpty(probe.seen)
  },

  'a server that is paused for three lifetimes': async ({ target, harness, probe, recovered }) => {
    await target.server.pause()
    await delay(harness.ttlMs * 3)
    await target.server.resume()
    await recovered('paused for 3 x TTL')
    assert.equal(probe.seen.at(-1)?.value?.instances.length, 3)
  },

  'connections that are reset in mid-frame': async ({ link, harness, recovered }) => {
    for (const bytes of [1, 20, 200]) {
      await link.reset(bytes)
      await delay(harness.ttlMs / 2)
      await link.restore()
    }
    await recovered('reset in mid-frame')
  },

  'a half-open connection': async ({ link, harness, registrations, probe, recovered }) => {
    await link.blackHole()
    await probe.untilStale(true)
    await eventually(() => assert.ok(registrations.every(({ state }) => state === 'recovering')), harness.ttlMs * 3 + 10_000)
    await link.restore()
    await recovered('half-open connection')
    assertNeverEmpty(probe.seen)
  },

  'no operation exceeds its limit while the connection is a black hole': async (context) => {
    const { link, harness, registrar, registrations, recovered } = context
    await link.blackHole()
    const operations: Readonly<Record<string, () => Promise<unknown>>> = {
      register: () => registrar.register({ ...faultSpec(9), ttlMs: harness.ttlMs }),
      update: async () => registrations[0]?.update({ weight: 7 }),
      getInstances: () => registrar.getInstances('orders'),
      getInstance: () => registrar.getInstance('orders', 'orders-1'),
      ...(registrar.capabilities.listServices && { listServices: () => registrar.listServices() }),
      deregister: () => registrar.deregister('orders', 'nobody'),
      ping: () => registrar.ping(),
    }
    await Promise.all(
      Object.entries(operations).map(async ([name, operation]) => {
        const startedAt = performance.now()
        await assert.rejects(operation(), { retryable: true }, name)
        const tookMs = Math.round(performance.now() - startedAt)
        // A second of margin for a busy machine.
        assert.ok(tookMs <= harness.operationTimeoutMs + 1_000, `${name} took ${tookMs} ms`)
      }),
    )
    await link.restore()
    await recovered('black hole under every operation')
  },

  'slow and sliced packets': async ({ link, harness, registrar, registrations, observer, recovered }) => {
    await link.delay(200)
    await link.slice(20)
    await registrations[0]?.update({ weight: 7 })
    const late = await registrar.register({ ...faultSpec(4), ttlMs: harness.ttlMs })
    await delay(harness.ttlMs * 1.5)
    assert.deepEqual([late.state, registrations[1]?.state], ['active', 'active'], 'latency alone loses no registration')
    await eventually(async () => assert.equal((await observer.getInstance('orders', 'orders-1'))?.weight, 7), 10_000)
    await late.deregister()
    await link.restore()
    await recovered('200 ms latency, sliced packets')
  },

  'a lease that expires while its process is disconnected': async ({ link, harness, observer, recovered }) => {
    await link.cut()
    await eventually(
      async () => assert.deepEqual((await observer.getInstances('orders')).instances, []),
      harness.ttlMs * 4 + 20_000,
    )
    await link.restore()
    await recovered('lease expired')
  },

  'a consumer that stalls': async ({ watcher, registrations, probe }) => {
    const iterator = watcher.watch('orders')[Symbol.asyncIterator]()
    await iterator.next()
    for (let weight = 1; weight <= 30; weight++) await registrations[0]?.update({ weight: weight + 1 })
    await probe.until(({ instances }) => assert.equal(instances[0]?.weight, 31))
    const { value: step } = await within(iterator.next(), 5_000, 'next')
    assert.equal(step.value?.instances[0]?.weight, 31, 'it receives the latest snapshot at once')
    await iterator.return?.()
  },

  'unreadable and hostile entries of other tools': async ({ harness, scope, observer, probe, recovered, open, target }) => {
    await harness.writeGarbage(scope, garbage)
    await delay(500)
    const fresh = await open(target.port).getInstances('orders')
    assert.equal(fresh.instances.filter(({ id }) => id.startsWith('orders-')).length, 3)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
    const probeAfter = probeWatch((options) => observer.watch('orders', options), 5_000)
    await probeAfter.until(({ instances }) => assert.ok(instances.length >= 3))
    await probeAfter.stop()
    assert.equal(probe.seen.at(-1)?.stale, undefined, 'the watch continues')
    await recovered('hostile entries').catch((error: unknown) => {
      // Entries that can be read are instances too. Then only those of this test must be there.
      if (fresh.instances.length === 3) throw error
    })
  },

  'closing while the connection to the server is a black hole': async ({ link, registrar, watcher }) => {
    await link.blackHole()
    await delay(100)
    // Bounded: a few seconds without a response of the backend, and a margin for a busy machine.
    await within(Promise.all([registrar.close(), watcher.close()]), 6_000, 'close()')
  },
}

/** An outage must never yield an empty list: stale is correct, empty is not. */
function assertNeverEmpty(seen: FaultContext['probe']['seen']): void {
  const emptied = seen.slice(1).findIndex(({ value, stale }) => stale !== undefined && value?.instances.length === 0)
  assert.equal(emptied, -1, 'a stale watch should not be empty')
}

/**
 * Faults of a running server and of the connection to it, as cases for any test runner. A harness omits faults that its
 * backend can't have. `pnpm test:faults` adds a long case.
 */
export function registryFaults(harness: FaultHarness): readonly ContractCase[] {
  const bound = bindCases(
    cases,
    () => createFaultContext(harness),
    (context) => context.dispose(),
  )
  const long: readonly ContractCase[] = [
    { name: `memory stays flat through ${soakMinutes} minutes of churn`, run: () => soak(harness) },
  ]
  return [...bound, ...(isLongRun ? long : [])]
}

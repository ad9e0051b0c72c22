import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { CaseBody } from './contract.ts'
import type { RegistryContext } from './registry-context.ts'
import { plainSpec } from './samples.ts'
import { probeWatch, within } from './waiting.ts'

/** Cases about watching one service and the names of services. */
export const watchCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  'a watch starts with the current snapshot, even an empty one': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const probe = probeWatch((options) => registry.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.deepEqual(instances, []))
    await probe.stop()
  },

  'a watch yields registrations, updates and removals down to zero': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const probe = probeWatch((options) => other.watch('orders', options), eventuallyMs)
    const first = await one.register(plainSpec('orders', 1))
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    const second = await one.register(plainSpec('orders', 2))
    const two = await probe.until(({ instances }) => assert.equal(instances.length, 2))
    await first.update({ weight: 7 })
    const updated = await probe.until(({ instances }) => assert.equal(instances[0]?.weight, 7))
    assert.equal(updated.instances[1], two.instances[1], 'an unchanged instance keeps its identity')
    await Promise.all([first.deregister(), second.deregister()])
    await probe.until(({ instances }) => assert.deepEqual(instances, []))
    await probe.stop()
  },

  'a second consumer receives the current snapshot, not the history': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const early = probeWatch((options) => registry.watch('orders', options), eventuallyMs)
    await registry.register(plainSpec('orders', 1))
    await registry.register(plainSpec('orders', 2))
    await early.until(({ instances }) => assert.equal(instances.length, 2))
    const late = probeWatch((options) => registry.watch('orders', options), eventuallyMs)
    await late.until(({ instances }) => assert.equal(instances.length, 2))
    assert.equal(late.seen.length, 1)
    await early.stop()
    await registry.register(plainSpec('orders', 3))
    await late.until(({ instances }) => assert.equal(instances.length, 3))
    await late.stop()
  },

  'a slow consumer receives only the latest snapshot': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const iterator = other.watch('orders')[Symbol.asyncIterator]()
    await iterator.next()
    const observer = probeWatch((options) => other.watch('orders', options), eventuallyMs)
    for (let index = 1; index <= 20; index++) await one.register(plainSpec('orders', index))
    await observer.until(({ instances }) => assert.equal(instances.length, 20))
    const { value: step } = await within(iterator.next(), eventuallyMs, 'next')
    assert.equal(step.value?.instances.length, 20, 'intermediate snapshots are skipped')
    await Promise.all([iterator.return?.(), observer.stop()])
  },

  'heartbeats and other services yield nothing': async ({ open, eventuallyMs, harness }) => {
    const [one, other] = [await open(), await open()]
    await one.register({ ...plainSpec('orders', 1), ttlMs: harness.shortestTtlMs })
    const probe = probeWatch((options) => other.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    const { length } = probe.seen
    await one.register(plainSpec('users', 1))
    await delay(harness.shortestTtlMs)
    assert.equal(probe.seen.length, length)
    await probe.stop()
  },

  'aborting ends a watch in the middle, without an error': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const probe = probeWatch((options) => registry.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.deepEqual(instances, []))
    await probe.stop()
    const aborted = probeWatch(() => registry.watch('orders', { signal: AbortSignal.abort() }), eventuallyMs)
    await within(aborted.ended, eventuallyMs, 'a watch with an aborted signal')
    assert.deepEqual(aborted.seen, [])
  },

  'leaving the loop ends a watch, even while it waits': async ({ open, eventuallyMs }) => {
    const registry = await open()
    for await (const _ of registry.watch('orders')) break
    const iterator = registry.watch('orders')[Symbol.asyncIterator]()
    await iterator.next()
    const pending = iterator.next()
    await within(Promise.resolve(iterator.return?.()), eventuallyMs, 'return()')
    assert.equal((await within(pending, eventuallyMs, 'the pending next()')).done, true)
  },

  'the set of services is watched': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    if (!one.capabilities.listServices) {
      await assert.rejects(one.listServices(), { code: 'SD_UNSUPPORTED' })
      return
    }
    const probe = probeWatch((options) => other.watchServices(options), eventuallyMs)
    await probe.until((names) => assert.deepEqual(names, []))
    const orders = await one.register(plainSpec('orders', 1))
    await one.register(plainSpec('users', 1))
    await probe.until((names) => assert.deepEqual(names, ['orders', 'users']))
    const { length } = probe.seen
    await one.register(plainSpec('users', 2))
    await orders.deregister()
    await probe.until((names) => assert.deepEqual(names, ['users']))
    assert.equal(probe.seen.length, length + 1, 'a second instance does not change the set')
    await probe.stop()
  },
}

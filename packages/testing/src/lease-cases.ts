import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { CaseBody } from './contract.ts'
import type { RegistryContext } from './registry-context.ts'
import { plainSpec } from './samples.ts'
import { eventually, probeWatch } from './waiting.ts'

/** Cases about expiry, loss and recovery. */
export const leaseCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  'a renewed instance outlives its lease': async ({ open, harness }) => {
    const registry = await open()
    await registry.register({ ...plainSpec('orders', 1), ttlMs: harness.shortestTtlMs })
    await delay(harness.shortestTtlMs * 2.5)
    assert.equal((await registry.getInstances('orders')).instances.length, 1)
  },

  'an update made during an outage is applied afterwards': async ({ open, backend, eventuallyMs }) => {
    const [cut, other] = [await open(), await open()]
    const registration = await cut.register(plainSpec('orders', 1))
    await backend.setConnected(cut, false)
    await assert.rejects(registration.update({ weight: 9 }), { retryable: true })
    await backend.setConnected(cut, true)
    await eventually(async () => assert.equal((await other.getInstance('orders', 'orders-1'))?.weight, 9), eventuallyMs)
  },

  'an instance that an operator removed is registered again while its registration exists': async ({
    open,
    eventuallyMs,
    harness,
  }) => {
    const [one, operator] = [await open(), await open()]
    await one.register({ ...plainSpec('orders', 1), ttlMs: harness.shortestTtlMs })
    await operator.deregister('orders', 'orders-1')
    await eventually(
      async () => assert.equal((await operator.getInstances('orders')).instances.length, 1),
      eventuallyMs + harness.shortestTtlMs * 2,
    )
  },

  'an outage is an error or a stale watch, never an empty list': async ({ open, backend, eventuallyMs }) => {
    const [one, cut] = [await open(), await open()]
    await one.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => cut.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    await backend.setConnected(cut, false)
    await probe.untilStale(true)
    assert.equal(probe.seen.at(-1)?.value?.instances.length, 1, 'a stale watch keeps its value')
    await assert.rejects(cut.getInstances('orders', { signal: AbortSignal.timeout(eventuallyMs) }), { retryable: true })
    await assert.rejects(cut.ping({ signal: AbortSignal.timeout(eventuallyMs) }))
    await eventually(() => assert.equal(cut.state, 'disconnected'), eventuallyMs)
    await one.register(plainSpec('orders', 2))
    await backend.setConnected(cut, true)
    await probe.until(({ instances }) => assert.equal(instances.length, 2))
    await probe.untilStale(false)
    await eventually(() => assert.equal(cut.state, 'connected'), eventuallyMs)
    assert(
      probe.seen.every(({ value }) => value === undefined || value.instances.length > 0),
      'no snapshot was empty because of the outage',
    )
    await probe.stop()
  },

  'registering during an outage rejects in time, or recovers with whenUnavailable': async ({ open, backend, eventuallyMs }) => {
    const [cut, other] = [await open(), await open()]
    await backend.setConnected(cut, false)
    await assert.rejects(cut.register(plainSpec('orders', 1), { timeoutMs: 300 }), { retryable: true })
    const registration = await cut.register(plainSpec('orders', 2), { whenUnavailable: 'recover' })
    assert.equal(registration.state, 'recovering')
    await backend.setConnected(cut, true)
    await eventually(async () => {
      const { instances } = await other.getInstances('orders')
      assert.deepEqual(
        instances.map(({ id }) => id),
        ['orders-2'],
      )
    }, eventuallyMs)
  },
}

/** Cases about expiring instances. */
export const expiryCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  'an instance expires when its process is disconnected, and is registered again afterwards': async ({
    open,
    backend,
    eventuallyMs,
    harness,
  }) => {
    const [lost, other] = [await open(), await open()]
    const registration = await lost.register({ ...plainSpec('orders', 1), ttlMs: harness.shortestTtlMs })
    const probe = probeWatch((options) => other.watch('orders', options), eventuallyMs + harness.shortestTtlMs * 4)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    await backend.setConnected(lost, false)
    await probe.until(({ instances }) => assert.deepEqual(instances, []))
    await eventually(() => assert.equal(registration.state, 'recovering'), eventuallyMs)
    assert(registration.lastError, 'a recovering registration has an error')
    await backend.setConnected(lost, true)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    await eventually(() => assert.equal(registration.state, 'active'), eventuallyMs)
    assert.equal(registration.lastError, undefined)
    await probe.stop()
  },
}

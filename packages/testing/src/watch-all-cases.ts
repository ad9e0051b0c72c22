import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { OperationOptions, ReadOnlyRegistry } from '@sd/core'
import type { CaseBody } from './contract.ts'
import type { RegistryContext } from './registry-context.ts'
import { plainSpec } from './samples.ts'
import { probeWatch, within } from './waiting.ts'

/** Cases about watching all services over one stream. A registry that does not support it must refuse at once. */
export const watchAllCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  'all services are watched over one stream, from none to several and back': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    if (!other.capabilities.watchAll) return refusesToWatchAll(other, eventuallyMs)
    const probe = probeWatch((options) => other.watchAll(options), eventuallyMs)
    await probe.until((services) => assert.deepEqual([...services.keys()], []))
    const users = await one.register(plainSpec('users', 1))
    const orders = await one.register(plainSpec('orders', 1))
    await one.register(plainSpec('orders', 2))
    const before = await probe.until((services) => {
      assert.deepEqual([...services.keys()], ['orders', 'users'], 'services are sorted by name')
      assert.equal(services.get('orders')?.instances.length, 2)
    })
    assert.deepEqual(before.get('orders')?.instances, (await other.getInstances('orders')).instances)
    await orders.update({ weight: 7 })
    const updated = await probe.until((services) => assert.equal(services.get('orders')?.instances[0]?.weight, 7))
    assert.equal(updated.get('users'), before.get('users'), 'an unchanged service keeps its snapshot')
    assert.equal(before.get('orders')?.instances[0]?.weight, 1, 'a delivered snapshot does not change')
    assert.equal(
      updated.get('orders')?.instances[1],
      before.get('orders')?.instances[1],
      'an unchanged instance keeps its identity',
    )
    await users.deregister()
    await probe.until((services) => assert.deepEqual([...services.keys()], ['orders'], 'a service without instances is removed'))
    await one.close()
    await probe.until((services) => assert.deepEqual([...services.keys()], []))
    await probe.stop()
  },

  'an outage makes the watch of all services stale, never empty': async ({ open, eventuallyMs, backend }) => {
    const [one, other] = [await open(), await open()]
    if (!other.capabilities.watchAll) return refusesToWatchAll(other, eventuallyMs)
    await one.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => other.watchAll(options), eventuallyMs)
    const before = await probe.until((services) => assert.deepEqual([...services.keys()], ['orders']))
    await backend.setConnected(other, false)
    await probe.untilStale(true)
    assert.deepEqual(probe.seen.at(-1)?.value?.get('orders')?.instances, before.get('orders')?.instances)
    await one.register(plainSpec('users', 1))
    // Longer than the first pause between two attempts of a watch.
    await delay(300)
    await backend.setConnected(other, true)
    await probe.untilStale(false)
    const after = await probe.until((services) => assert.deepEqual([...services.keys()], ['orders', 'users']))
    const [instance] = before.get('orders')?.instances ?? []
    assert.equal(after.get('orders')?.instances[0], instance, 'an instance that did not change in an outage keeps its identity')
    assert(!probe.seen.some(({ value }) => value?.size === 0), 'no list was empty in between')
    await probe.stop()
  },
}

/** Asserts that a source without such a stream rejects, instead of yielding nothing. */
export async function refusesToWatchAll(source: ReadOnlyRegistry, eventuallyMs: number): Promise<void> {
  const watch = (options: OperationOptions) => source.watchAll(options)[Symbol.asyncIterator]().next()
  await within(assert.rejects(watch({}), { code: 'SD_UNSUPPORTED', retryable: false }), eventuallyMs, 'the refusal')
}

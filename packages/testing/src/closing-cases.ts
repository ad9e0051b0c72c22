import assert from 'node:assert/strict'
import type { CaseBody } from './contract.ts'
import type { RegistryContext } from './registry-context.ts'
import { countResources } from './resources.ts'
import { hostileMetadata, hostileNames, plainSpec } from './samples.ts'
import { eventually, probeWatch, within } from './waiting.ts'

/** Cases about closing and hostile data. */
export const closingCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  'closing deregisters, ends watches and is idempotent': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const registration = await one.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => one.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    await within(Promise.all([one.close(), one.close()]), eventuallyMs, 'close()')
    await within(probe.ended, eventuallyMs, 'the watch of a closed registry')
    assert.equal(one.state, 'closed')
    assert.equal(registration.state, 'closed')
    await eventually(async () => assert.deepEqual((await other.getInstances('orders')).instances, []), eventuallyMs)
  },

  'closing waits for pending operations: a deregistration, an update, an aborted registration': async ({
    open,
    eventuallyMs,
  }) => {
    const [one, other] = [await open(), await open()]
    const [leaving, changing] = [await one.register(plainSpec('orders', 1)), await one.register(plainSpec('orders', 2))]
    const deregistering = leaving.deregister()
    const updating = changing.update({ weight: 2 }).catch((error: unknown) => error)
    const controller = new AbortController()
    const registering = one.register(plainSpec('orders', 3), { signal: controller.signal }).catch((error: unknown) => error)
    controller.abort()
    await within(Promise.all([one.close(), deregistering, updating, registering]), eventuallyMs, 'close()')
    await eventually(async () => assert.deepEqual((await other.getInstances('orders')).instances, []), eventuallyMs)
  },

  'closing while the backend is unreachable is bounded in time': async ({ open, backend, eventuallyMs }) => {
    const registry = await open()
    await registry.register(plainSpec('orders', 1))
    await backend.setConnected(registry, false)
    await within(registry.close(), Math.max(eventuallyMs, 10_000), 'close()')
  },

  'every operation on a closed registry rejects with SD_CLOSED': async ({ open, eventuallyMs }) => {
    const registry = await open()
    await registry.close()
    const closed = { code: 'SD_CLOSED' }
    await assert.rejects(registry.register(plainSpec('orders', 1)), closed)
    await assert.rejects(registry.getInstances('orders'), closed)
    await assert.rejects(registry.getInstance('orders', 'x'), closed)
    await assert.rejects(registry.deregister('orders', 'x'), closed)
    await assert.rejects(registry.ping(), closed)
    if (registry.capabilities.listServices) await assert.rejects(registry.listServices(), closed)
    await assert.rejects(probeWatch((options) => registry.watch('orders', options), eventuallyMs).ended, closed)
  },

  'nothing is left running after close': async ({ open, backend, eventuallyMs }) => {
    const before = countResources()
    const registry = await open()
    await registry.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => registry.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.equal(instances.length, 1))
    await backend.setConnected(registry, false)
    await probe.untilStale(true)
    await backend.setConnected(registry, true)
    await probe.untilStale(false)
    await registry.close()
    await eventually(
      () => assert.ok(countResources() <= before, `left: ${process.getActiveResourcesInfo().join(', ')}`),
      eventuallyMs,
    )
  },

  'hostile names and metadata survive unchanged': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    for (const name of hostileNames) {
      await one.register({ service: name, id: name, address: '10.0.0.1', port: 80, tags: [name], metadata: hostileMetadata })
    }
    for (const name of hostileNames) {
      await eventually(async () => {
        const found = await other.getInstance(name, name)
        assert.equal(found?.id, name)
        assert.deepEqual(found.tags, [name])
        assert.deepEqual(Object.entries(found.metadata).sort(), Object.entries(hostileMetadata).sort())
      }, eventuallyMs)
    }
    if (one.capabilities.listServices) {
      await eventually(async () => assert.deepEqual(await other.listServices(), [...hostileNames].sort()), eventuallyMs)
    }
  },

  'invalid names and an aborted signal are rejected': async ({ open }) => {
    const registry = await open()
    for (const service of ['', ' padded ', 'line\nbreak', '\ud800', 'x'.repeat(256)]) {
      await assert.rejects(registry.getInstances(service), { code: 'SD_INVALID', field: 'service' })
    }
    await assert.rejects(registry.getInstances('orders', { signal: AbortSignal.abort() }), { code: 'SD_ABORTED' })
  },
}

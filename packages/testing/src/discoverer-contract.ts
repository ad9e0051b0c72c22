import assert from 'node:assert/strict'
import { checkFunction, checkKnownKeys, checkObject, type ReadOnlyRegistry } from '@sd/core'
import { bindCases, type CaseBody, type ContractCase } from './contract.ts'
import type { DiscovererBackend, DiscovererHarness } from './registry-harness.ts'
import { plainSpec } from './samples.ts'
import { eventually, probeWatch, within } from './waiting.ts'
import { refusesToWatchAll } from './watch-all-cases.ts'

interface DiscovererContext {
  readonly backend: DiscovererBackend
  readonly source: ReadOnlyRegistry
  readonly eventuallyMs: number
}

const cases: Readonly<Record<string, CaseBody<DiscovererContext>>> = {
  'an unknown service yields an empty snapshot': async ({ source }) => {
    const snapshot = await source.getInstances('nobody')
    assert.deepEqual([snapshot.service, snapshot.instances, snapshot.stale], ['nobody', [], false])
    assert.equal(await source.getInstance('nobody', 'x'), undefined)
  },

  'published instances are found': async ({ backend, source, eventuallyMs }) => {
    await backend.publish([plainSpec('orders', 1), plainSpec('orders', 2), plainSpec('users', 1)])
    await eventually(async () => {
      const { instances } = await source.getInstances('orders')
      assert.deepEqual(
        instances.map(({ address, port }) => `${address}:${port}`),
        ['10.1.0.1:8001', '10.1.0.2:8002'],
      )
    }, eventuallyMs)
    const [first] = (await source.getInstances('orders')).instances
    assert(first)
    assert.deepEqual(await source.getInstance('orders', first.id), first)
    if (source.capabilities.listServices) assert.deepEqual(await source.listServices(), ['orders', 'users'])
  },

  'a watch yields the current snapshot and all changes, down to zero instances': async ({ backend, source, eventuallyMs }) => {
    const probe = probeWatch((options) => source.watch('orders', options), eventuallyMs)
    await probe.until(({ instances }) => assert.deepEqual(instances, []))
    await backend.publish([plainSpec('orders', 1), plainSpec('orders', 2)])
    const two = await probe.until(({ instances }) => assert.equal(instances.length, 2))
    await backend.publish([plainSpec('orders', 1), plainSpec('users', 1)])
    const one = await probe.until(({ instances }) => assert.equal(instances.length, 1))
    assert.equal(one.instances[0], two.instances[0], 'an unchanged instance keeps its identity')
    await backend.publish([])
    await probe.until(({ instances }) => assert.deepEqual(instances, []))
    await probe.stop()
  },

  'the set of services is watched': async ({ backend, source, eventuallyMs }) => {
    if (!source.capabilities.listServices) {
      await assert.rejects(source.listServices(), { code: 'SD_UNSUPPORTED' })
      return
    }
    const probe = probeWatch((options) => source.watchServices(options), eventuallyMs)
    await backend.publish([plainSpec('orders', 1), plainSpec('users', 1)])
    await probe.until((names) => assert.deepEqual(names, ['orders', 'users']))
    await backend.publish([plainSpec('users', 1)])
    await probe.until((names) => assert.deepEqual(names, ['users']))
    await probe.stop()
  },

  'all services are watched over one stream': async ({ backend, source, eventuallyMs }) => {
    if (!source.capabilities.watchAll) return refusesToWatchAll(source, eventuallyMs)
    const probe = probeWatch((options) => source.watchAll(options), eventuallyMs)
    await backend.publish([plainSpec('users', 1), plainSpec('orders', 1)])
    const both = await probe.until((services) => assert.deepEqual([...services.keys()], ['orders', 'users']))
    await backend.publish([plainSpec('users', 1)])
    const one = await probe.until((services) => assert.deepEqual([...services.keys()], ['users']))
    assert.equal(one.get('users'), both.get('users'), 'an unchanged service keeps its snapshot')
    await probe.stop()
  },

  'leaving the loop or aborting ends a watch': async ({ source, eventuallyMs }) => {
    for await (const _ of source.watch('orders')) break
    const probe = probeWatch((options) => source.watch('orders', options), eventuallyMs)
    await probe.until(() => undefined)
    await probe.stop()
  },

  'closing ends watches and is idempotent, and later operations reject with SD_CLOSED': async ({ source, eventuallyMs }) => {
    const probe = probeWatch((options) => source.watch('orders', options), eventuallyMs)
    await probe.until(() => undefined)
    await within(Promise.all([source.close(), source.close()]), eventuallyMs, 'close()')
    await within(probe.ended, eventuallyMs, 'the watch of a closed source')
    assert.equal(source.state, 'closed')
    await assert.rejects(source.getInstances('orders'), { code: 'SD_CLOSED' })
    await assert.rejects(source.ping(), { code: 'SD_CLOSED' })
  },

  'invalid names are rejected': async ({ source }) => {
    await assert.rejects(source.getInstances(''), { code: 'SD_INVALID', field: 'service' })
  },
}

/**
 * The contract of a read-only source, such as a file or DNS.
 *
 * @throws SdError `SD_INVALID` for a harness with unknown or invalid fields
 */
export function discovererContract(harness: DiscovererHarness): readonly ContractCase[] {
  checkKnownKeys('harness', checkObject('harness', harness), ['setup', 'eventuallyMs'])
  checkFunction('harness.setup', harness.setup)
  return bindCases(
    cases,
    async () => {
      const backend = await harness.setup()
      return { backend, source: await backend.open(), eventuallyMs: harness.eventuallyMs ?? 5_000 }
    },
    async ({ backend, source }) => {
      await source.close()
      await backend.dispose()
    },
  )
}

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { type Registration, type Registry, SdError, type ServiceInstance } from '@sd/core'
import type { CaseBody } from './contract.ts'
import type { RegistryContext } from './registry-context.ts'
import { fullSpec, plainSpec } from './samples.ts'
import { createSeededRandom } from './seeded-random.ts'
import { eventually } from './waiting.ts'

async function ids(registry: Registry, service: string): Promise<readonly string[]> {
  return (await registry.getInstances(service)).instances.map(({ id }) => id)
}

/** Returns what must be preserved by the backend: everything except the timestamps. */
function content(instance: ServiceInstance | undefined): unknown {
  if (instance === undefined) return undefined
  const { createdAt: _, updatedAt: __, ttlMs: ___, health, metadata, ...rest } = instance
  return { ...rest, metadata: { ...metadata }, health: { status: health.status, message: health.message } }
}

/** Cases about registering, updating and removing. */
export const registerCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  'an unknown service yields an empty snapshot': async ({ open }) => {
    const registry = await open()
    const snapshot = await registry.getInstances('nobody')
    assert.deepEqual(snapshot.instances, [])
    assert.equal(snapshot.service, 'nobody')
    assert.equal(snapshot.stale, false)
    assert.equal(await registry.getInstance('nobody', 'x'), undefined)
  },

  'another client reads every field unchanged': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const registration = await one.register(fullSpec)
    assert.equal(registration.state, 'active')
    const found = await eventually(async () => {
      const instance = await other.getInstance('orders', 'orders-1')
      assert(instance, 'the instance should be found by id')
      return instance
    }, eventuallyMs)
    assert.deepEqual(content(found), content(registration.instance))
    assert.ok(Math.abs(found.createdAt - Date.now()) < 60_000, 'createdAt should be about now')
    assert.ok(Object.isFrozen(found) && Object.isFrozen(found.tags) && Object.isFrozen(found.metadata), 'instances are frozen')
  },

  'defaults and a weight of 0 are preserved': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const { instance } = await one.register({ service: 'orders', address: 'host.example', port: 1, weight: 0 })
    await eventually(async () => {
      const found = await other.getInstance('orders', instance.id)
      assert.equal(found?.weight, 0)
      assert.deepEqual(content(found), content(instance))
    }, eventuallyMs)
  },

  'services are independent and listed in order': async ({ open, eventuallyMs }) => {
    const registry = await open()
    await registry.register(plainSpec('users', 1))
    await registry.register(plainSpec('orders', 1))
    await registry.register(plainSpec('orders', 2))
    await eventually(async () => {
      assert.deepEqual(await ids(registry, 'orders'), ['orders-1', 'orders-2'])
      assert.deepEqual(await ids(registry, 'users'), ['users-1'])
      if (registry.capabilities.listServices) assert.deepEqual(await registry.listServices(), ['orders', 'users'])
    }, eventuallyMs)
  },

  'registering an id again replaces it': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const first = await registry.register({ ...plainSpec('orders', 1), version: '1.0.0' })
    const second = await registry.register({ ...plainSpec('orders', 1), version: '2.0.0' })
    assert.equal(first.state, 'closed')
    assert.equal(second.state, 'active')
    await first.deregister()
    await eventually(async () => {
      const { instances } = await registry.getInstances('orders')
      assert.deepEqual(
        instances.map(({ version }) => version),
        ['2.0.0'],
      )
    }, eventuallyMs)
  },

  'concurrent registrations of one id leave one instance': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const registrations = await Promise.all(
      Array.from({ length: 5 }, (_, index) => registry.register({ ...plainSpec('orders', 1), version: `${index}` })),
    )
    assert.equal(registrations.filter(({ state }) => state === 'active').length, 1)
    await eventually(async () => assert.equal((await registry.getInstance('orders', 'orders-1'))?.version, '4'), eventuallyMs)
    assert.deepEqual(await ids(registry, 'orders'), ['orders-1'])
  },

  'of concurrent operations on one id the last wins, in the backend too': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const random = createSeededRandom(13)
    for (let round = 0; round < 3; round++) {
      let latest: Promise<Registration> | undefined
      let last = 'register'
      const calls: Promise<unknown>[] = []
      for (let call = 0; call < 12; call++) {
        const choice = latest ? random() : 0
        if (choice < 0.5) {
          latest = registry.register({ ...plainSpec('orders', 1), version: `${round}.${call}.0` })
          last = 'register'
          calls.push(latest)
        } else {
          const made = await latest
          last = choice < 0.75 ? 'update' : 'deregister'
          calls.push(last === 'update' ? (made as Registration).update({ weight: call }) : (made as Registration).deregister())
          if (last === 'deregister') latest = undefined
        }
        if (random() < 0.3) await delay(random() * 10)
      }
      await Promise.allSettled(calls)
      const wanted = (await latest)?.instance
      await eventually(async () => {
        assert.deepEqual(content(await registry.getInstance('orders', 'orders-1')), content(wanted), `after ${last}`)
      }, eventuallyMs)
    }
  },

  'fifty concurrent registrations all succeed': async ({ open, eventuallyMs }) => {
    const registry = await open()
    await Promise.all(Array.from({ length: 50 }, (_, index) => registry.register(plainSpec('orders', index))))
    await eventually(async () => assert.equal((await ids(registry, 'orders')).length, 50), eventuallyMs)
  },

  'an update reaches other clients, field by field': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const registration = await one.register(fullSpec)
    await registration.update({ weight: 0 })
    await registration.update({ metadata: { team: 'b' }, tags: ['blue'] })
    await registration.update({ version: '2.0.0', locality: null, protocol: 'grpc', priority: 0 })
    await registration.update({ health: { status: 'unhealthy', message: 'disk full' } })
    await registration.update({ ports: { admin: 9091 }, healthCheck: { type: 'tcp', intervalMs: 86_400_000 } })
    await registration.update({ needs: ['users'] })
    assert.equal(registration.instance.weight, 0)
    await eventually(async () => {
      const found = await other.getInstance('orders', 'orders-1')
      assert.deepEqual(content(found), content(registration.instance))
      assert.equal(found?.version, '2.0.0')
      assert.equal(found?.locality, undefined)
      assert.equal(found?.health.status, 'unhealthy')
      assert.deepEqual({ ...found?.ports }, { admin: 9091 })
      assert.deepEqual(found?.needs, ['users'])
    }, eventuallyMs)
    await registration.update({ ports: null, healthCheck: null, needs: null })
    await eventually(async () => {
      const found = await other.getInstance('orders', 'orders-1')
      assert.deepEqual(content(found), content(registration.instance))
      assert.equal(found?.ports, undefined)
      assert.equal(found?.needs, undefined)
      assert.equal(found?.healthCheck, undefined)
    }, eventuallyMs)
  },

  'named ports and the declared health check are preserved, for all names and types': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    const ports = Object.fromEntries(Array.from({ length: 29 }, (_, index) => [`port-${index}`, 65_535 - index]))
    const checks = [{ type: 'grpc' }, { type: 'tcp', intervalMs: 100, timeoutMs: 100 }, { type: 'http', path: '/' }] as const
    const registered = await Promise.all(
      checks.map((healthCheck, index) =>
        one.register({
          ...plainSpec('orders', index),
          ports: { ...ports, constructor: 1, ['a'.repeat(63)]: 2, '0a': 3 },
          healthCheck,
        }),
      ),
    )
    await eventually(async () => {
      for (const { instance } of registered) {
        const found = await other.getInstance('orders', instance.id)
        // If the backend runs the check, it may already have found that nothing listens there.
        const seen = found && other.capabilities.healthChecks ? { ...found, health: instance.health } : found
        assert.deepEqual(content(seen), content(instance))
        assert.ok(found && Object.isFrozen(found.ports) && Object.isFrozen(found.healthCheck), 'both are frozen')
      }
    }, eventuallyMs)
  },

  'a declared health check runs if the registry supports it': async ({ open, eventuallyMs }) => {
    const [one, other] = [await open(), await open()]
    if (!one.capabilities.healthChecks) return
    // Nothing listens on port 1, wherever the backend runs.
    const spec = { ...plainSpec('orders', 1), address: '127.0.0.1', port: 1 }
    const registration = await one.register({ ...spec, healthCheck: { type: 'tcp', intervalMs: 1_000, timeoutMs: 500 } })
    const status = async () => (await other.getInstance('orders', 'orders-1'))?.health.status
    await eventually(async () => assert.equal(await status(), 'unhealthy'), eventuallyMs)
    await registration.update({ healthCheck: null })
    await eventually(async () => assert.equal(await status(), 'healthy'), eventuallyMs)
  },

  'an invalid update changes nothing': async ({ open }) => {
    const registry = await open()
    const registration = await registry.register(fullSpec)
    await assert.rejects(registration.update({ weight: 1, tags: [''] }), (error) => {
      assert(error instanceof SdError)
      assert.equal(error.code, 'SD_INVALID')
      assert.equal(error.field, 'tags[0]')
      return true
    })
    assert.equal(registration.instance.weight, 2.5)
    assert.equal((await registry.getInstance('orders', 'orders-1'))?.weight, 2.5)
  },

  'invalid input is rejected with the name of the field': async ({ open }) => {
    const registry = await open()
    for (const [field, spec] of Object.entries({
      port: { port: 0 },
      weight: { weight: -1 },
      address: { address: 'http://x' },
      service: { service: '' },
      id: { id: 'a\nb' },
      ttlMs: { ttlMs: 1.5 },
      'ports.admin': { ports: { admin: 0 } },
      'healthCheck.timeoutMs': { healthCheck: { type: 'tcp', timeoutMs: 0 } as const },
    })) {
      await assert.rejects(
        registry.register({ ...plainSpec('orders', 1), ...spec }),
        (error) => error instanceof SdError && error.code === 'SD_INVALID' && error.field === field,
        `an invalid ${field} should be rejected`,
      )
    }
    assert.deepEqual((await registry.getInstances('orders')).instances, [])
  },

  'deregistering removes the instance and is idempotent': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const registration = await registry.register(plainSpec('orders', 1))
    await registration.deregister()
    await registration.deregister()
    assert.equal(registration.state, 'closed')
    await eventually(async () => assert.deepEqual(await ids(registry, 'orders'), []), eventuallyMs)
    await assert.rejects(registration.update({ weight: 2 }), { code: 'SD_CLOSED' })
  },

  "the operator's deregister removes an orphan, and ignores a missing instance": async ({ open, backend, eventuallyMs }) => {
    const [one, operator] = [await open(), await open()]
    await one.register(plainSpec('orders', 1))
    await backend.setConnected(one, false)
    await operator.deregister('orders', 'orders-1')
    await operator.deregister('orders', 'orders-1')
    await eventually(async () => assert.deepEqual(await ids(operator, 'orders'), []), eventuallyMs)
  },

  'a thousand instances are registered, found and removed': async ({ open, eventuallyMs }) => {
    const registry = await open()
    const registrations = await Promise.all(
      // All registrations must succeed, even on a slow machine, and none may expire before the last one.
      Array.from({ length: 1_000 }, (_, index) =>
        registry.register({ ...plainSpec('orders', index), ttlMs: 120_000 }, { timeoutMs: 120_000 }),
      ),
    )
    await eventually(async () => assert.equal((await ids(registry, 'orders')).length, 1_000), 4 * eventuallyMs)
    await Promise.all(registrations.map((registration) => registration.deregister()))
    await eventually(async () => assert.equal((await ids(registry, 'orders')).length, 0), 4 * eventuallyMs)
  },
}

/** Removal that affects only what the same registration stored. */
export const conditionalRemovalCases: Readonly<Record<string, CaseBody<RegistryContext>>> = {
  "removal leaves another process's instance of the same id alone": async ({ open, eventuallyMs }) => {
    const [old, renewed] = [await open(), await open()]
    const before = await old.register({ ...plainSpec('orders', 1), version: '1' })
    await renewed.register({ ...plainSpec('orders', 1), version: '2' })
    await before.deregister()
    await eventually(async () => assert.equal((await renewed.getInstance('orders', 'orders-1'))?.version, '2'), eventuallyMs)
  },
}

import assert from 'node:assert/strict'
import type { Registry } from '@sd/core'
import { eventually, fullSpec, plainSpec, probeWatch } from '@sd/testing'
import type { NacosRegistryOptions } from '../index.ts'

/** A behaviour of the v3 API, recorded on an official Nacos and replayed in tests. */
export interface Scenario {
  /**
   * Server of the scenario. `open` requires no login. `guarded` has auth enabled with the user `nacos` and {@link
   * password}, and no v1 API (`nacos.core.api.compatibility.client.enabled=false`).
   */
  readonly server: 'open' | 'guarded'
  /** Whether responses depend on how often the server was read, so that a recording can't replace it. */
  readonly needsServer?: true
  /**
   * Runs the assertions. @param open opens a registry on the server @param endpoint `host:port` of the server, for
   * other tools
   */
  run(open: (options?: NacosRegistryOptions) => Registry, endpoint: string): Promise<void>
}

/** Password of the user `nacos` on the guarded server. */
export const password = 'secret-word-1'
const limitMs = 10_000

/** Recorded scenarios, by name. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  'an instance is registered, found, updated and removed': {
    server: 'open',
    needsServer: true,
    async run(open) {
      const registry = open()
      const registration = await registry.register({ ...fullSpec, service: 'life/1' })
      await eventually(async () => {
        const found = await registry.getInstance('life/1', 'orders-1')
        const { createdAt: _, updatedAt: __, ...rest } = registration.instance
        assert(found)
        const { createdAt: ___, updatedAt: ____, ...other } = found
        assert.deepEqual({ ...other, metadata: { ...other.metadata } }, { ...rest, metadata: { ...rest.metadata } })
      }, limitMs)
      await registration.update({ health: 'draining' })
      await eventually(async () => {
        const found = await registry.getInstance('life/1', 'orders-1')
        assert.deepEqual([found?.health.status, found?.weight], ['draining', 2.5])
      }, limitMs)
      await registration.deregister()
      await eventually(async () => assert.deepEqual((await registry.getInstances('life/1')).instances, []), limitMs)
    },
  },

  'a heartbeat that the server does not know leads to a new registration': {
    server: 'open',
    async run(open) {
      const registry = open()
      const states: string[] = []
      const registration = await registry.register({ ...plainSpec('beating', 1), ttlMs: 1_500 })
      registration.onStateChange(({ state }) => states.push(state))
      await eventually(async () => assert((await registry.getInstances('beating')).instances.length === 1), limitMs)
      await registry.deregister('beating', 'beating-1')
      await eventually(() => assert.deepEqual(states, ['recovering', 'active']), limitMs)
    },
  },

  'a watch follows a service': {
    server: 'open',
    needsServer: true,
    async run(open) {
      const registry = open()
      const probe = probeWatch((options) => registry.watch('watched', options), limitMs)
      await probe.until(({ instances }) => assert.deepEqual(instances, []))
      await registry.register(plainSpec('watched', 1))
      const second = await registry.register(plainSpec('watched', 2))
      await probe.until(({ instances }) => assert.equal(instances.length, 2))
      await second.deregister()
      await probe.until(({ instances }) => assert.equal(instances.length, 1))
      await probe.stop()
    },
  },

  'all clusters are found, unless some are named': {
    server: 'open',
    async run(open) {
      const [north, south, any] = [open({ cluster: 'north' }), open({ cluster: 'south' }), open()]
      const onlySouth = open({ clusters: ['south'] })
      await north.register(plainSpec('spread', 1))
      await south.register(plainSpec('spread', 2))
      await eventually(async () => assert.deepEqual(await ids(any, 'spread'), ['spread-1', 'spread-2']), limitMs)
      await eventually(async () => assert.deepEqual(await ids(onlySouth, 'spread'), ['spread-2']), limitMs)
    },
  },

  "other tools' instances are read": {
    server: 'open',
    async run(open, endpoint) {
      const metadata = { secure: 'true', version: '2.1', 'preserved.register.source': 'SPRING_CLOUD' }
      const body = { groupName: 'recorded', serviceName: 'spring', ip: '10.9.0.1', port: '443', ephemeral: 'true' }
      const form = new URLSearchParams({ ...body, metadata: JSON.stringify(metadata) })
      await fetch(`http://${endpoint}/nacos/v3/client/ns/instance`, { method: 'POST', body: form })
      await eventually(async () => {
        const [found] = (await open().getInstances('spring')).instances
        assert.deepEqual([found?.id, found?.protocol, found?.version], ['10.9.0.1:443', 'https', '2.1'])
        assert.deepEqual({ ...found?.metadata }, metadata)
      }, limitMs)
    },
  },

  'too much metadata, and what does not fit a service, are refused': {
    server: 'open',
    async run(open) {
      const metadata = { text: 'x'.repeat(1_024) }
      await assert.rejects(open().register({ ...plainSpec('large', 1), metadata }), { code: 'SD_TOO_LARGE' })
      await open().register(plainSpec('mixed', 1))
      await assert.rejects(open({ persistent: true }).register(plainSpec('mixed', 2)), { code: 'SD_INVALID' })
    },
  },

  'services are listed by the admin API only': {
    server: 'open',
    async run(open) {
      const [without, registry] = [open(), open({ adminApi: true, group: 'listed' })]
      assert.equal(without.capabilities.listServices, false)
      await assert.rejects(without.listServices(), { code: 'SD_UNSUPPORTED' })
      await registry.register(plainSpec('with space', 1))
      await registry.register(plainSpec('users', 1))
      await eventually(async () => assert.deepEqual(await registry.listServices(), ['users', 'with space']), limitMs)
    },
  },

  'a server without v1 is found out, and a login gives its token': {
    server: 'guarded',
    async run(open) {
      const registry = open({ api: 'auto', adminApi: true, group: 'guarded', credentials: { username: 'nacos', password } })
      await registry.register(plainSpec('orders', 1))
      await eventually(async () => assert.deepEqual(await ids(registry, 'orders'), ['orders-1']), limitMs)
      await eventually(async () => assert.deepEqual(await registry.listServices(), ['orders']), limitMs)
      await registry.ping()
    },
  },

  'no login and a wrong one are refused, without the secret in the message': {
    server: 'guarded',
    async run(open) {
      await assert.rejects(open().getInstances('orders'), { code: 'SD_DENIED' })
      const wrong = open({ credentials: { username: 'nacos', password: 'not-the-word' } })
      await assert.rejects(
        wrong.getInstances('orders'),
        (error: Error & { code?: string }) => error.code === 'SD_DENIED' && !/not-the-word/.test(error.message),
      )
    },
  },
}

async function ids(registry: Registry, service: string): Promise<readonly string[]> {
  return (await registry.getInstances(service)).instances.map(({ id }) => id)
}

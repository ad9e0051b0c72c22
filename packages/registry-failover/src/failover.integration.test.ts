import { randomUUID } from 'node:crypto'
import type { Registry } from '@sd/core'
import { createConsulRegistry } from '@sd/registry-consul'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { type ConsulServer, type EtcdServer, obtainServer, startConsul, startEtcd } from '@sd/test-servers'
import { eventually, plainSpec, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createFailoverRegistry, type FailoverRegistry, type FailoverRegistryOptions } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const consul = await obtainServer('consul', { own: true })
const limitMs = 20_000

describe.runIf(etcd && consul)('etcd and consul combined', { timeout: 60_000 }, () => {
  let first: EtcdServer
  let second: ConsulServer
  const opened: Registry[] = []
  beforeAll(async () => {
    if (etcd && consul) [first, second] = await Promise.all([startEtcd(etcd), startConsul(consul)])
  }, 60_000)
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((registry) => registry.close()))
  })
  afterAll(() => Promise.all([first.close(), second.close()]))

  function members(scope: string): { readonly old: Registry; readonly next: Registry } {
    const common = { ttlMs: 3_000, operationTimeoutMs: 2_000 }
    const old = createEtcdRegistry({ servers: [`127.0.0.1:${first.port}`], prefix: `/${scope}`, ...common })
    const next = createConsulRegistry({ servers: [`127.0.0.1:${second.port}`], prefix: `${scope}-`, ...common })
    opened.push(old, next)
    return { old, next }
  }

  function open(options: FailoverRegistryOptions): FailoverRegistry {
    const times = { failAfterMs: 500, returnAfterMs: 500, probeIntervalMs: 200, operationTimeoutMs: 2_000 }
    const registry = createFailoverRegistry({ ...times, ...options })
    opened.push(registry)
    return registry
  }

  test('the second is used when the first is killed, and the first again after it has restarted', async () => {
    const { old, next } = members(`f${randomUUID().slice(0, 8)}`)
    const registry = open({ members: [{ registry: old }, { registry: next, priority: 1 }] })
    await registry.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    const activeNow = (): readonly string[] =>
      registry
        .status()
        .members.filter(({ active }) => active)
        .map(({ name }) => name)
    expect(activeNow()).toEqual(['etcd'])
    await first.kill()
    await eventually(() => expect(activeNow()).toEqual(['consul']), limitMs)
    await eventually(async () => expect((await registry.getInstances('orders')).instances).toHaveLength(1), limitMs)
    await probe.untilStale(false)
    await first.start()
    await eventually(() => expect(activeNow()).toEqual(['etcd']), limitMs)
    await probe.untilStale(false)
    expect(probe.seen.slice(1).every(({ value }) => value?.instances.length === 1)).toBe(true)
    await probe.stop()
  })

  test('a migration from one to the other never shows an empty list', async () => {
    const { old, next } = members(`m${randomUUID().slice(0, 8)}`)
    const registry = open({ members: [{ registry: old }], closeMembers: false })
    await registry.register(plainSpec('orders', 1))
    // A reader that has not moved yet.
    await old.register(plainSpec('orders', 2))
    const probe = probeWatch((options) => registry.watch('orders', options), limitMs)
    await probe.until(({ instances }) => expect(instances).toHaveLength(2))
    await registry.reconfigure({ mode: 'migration', members: [{ registry: old }, { registry: next, priority: 1 }] })
    await eventually(async () => expect((await next.getInstances('orders')).instances).toHaveLength(1), limitMs)
    // A reader that has moved.
    await next.register(plainSpec('orders', 3))
    await probe.until(({ instances }) => expect(instances).toHaveLength(3))
    await next.register(plainSpec('orders', 2))
    await registry.reconfigure({ mode: 'priority', members: [{ registry: next }] })
    await eventually(async () => {
      const ids = (await registry.getInstances('orders')).instances.map(({ id }) => id)
      expect(ids).toEqual(['orders-1', 'orders-2', 'orders-3'])
    }, limitMs)
    await eventually(async () => {
      expect((await old.getInstances('orders')).instances.map(({ id }) => id)).toEqual(['orders-2'])
    }, limitMs)
    expect(probe.seen.slice(1).every(({ value }) => (value?.instances.length ?? 0) > 0)).toBe(true)
    await probe.stop()
  })
})

import { type OpenedConfigHistory, openConfigHistory } from '@sd/config-center'
import type { Lock } from '@sd/core'
import { createFleet, type Fleet, type FleetModel } from '@sd/fleet'
import { createEtcdLock } from '@sd/lock-etcd'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { type ServerSource, startEtcd } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { type ServiceProcess, startProcess } from './processes.ts'
import { configKey, configPrefix, lockKey, type Role } from './roles.ts'

/** How long the fleet may take to change, in milliseconds. A busy machine needs some of it. */
export const fleetLimitMs = 60_000

/** A fleet of real processes: `shop` and `reports` call `orders`, which calls `stock`. One of `orders` holds a lock. */
export interface ShopFleet extends AsyncDisposable {
  /** `host:port` of etcd. */
  readonly etcd: string
  /** URLs, as an operator has them. */
  readonly urls: { readonly registry: string; readonly config: string; readonly lock: string }
  readonly history: OpenedConfigHistory
  readonly lock: Lock
  process(id: string): ServiceProcess
  /** Changes something in a process, as a dashboard does. */
  change(id: string, path: string, body: object): Promise<void>
  /** Waits until the model of a new reader is as wanted. It refreshes it again and again. */
  until(check: (model: FleetModel) => void): Promise<void>
  /** Waits until the process that holds the lock is not this one. @returns the id of the holder */
  holderOtherThan(id?: string): Promise<string>
}

/** Content of the configuration of `orders`: a time limit for each attempt at `stock`. */
export function configText(attemptTimeoutMs: number): string {
  return `sd:\n  client:\n    services:\n      stock:\n        attemptTimeoutMs: ${attemptTimeoutMs}\n`
}

/** Starts etcd and the processes. */
export async function startShopFleet(source: ServerSource): Promise<ShopFleet> {
  await using opened = new AsyncDisposableStack()
  const server = opened.adopt(await startEtcd(source), (one) => one.close())
  const etcd = `127.0.0.1:${server.port}`
  const urls = { registry: `etcd://${etcd}`, config: `etcd://${etcd}${configPrefix}`, lock: `etcd://${etcd}` }
  const history = opened.use(await openConfigHistory(urls.config, { key: configKey, author: 'ann' }))
  await history.history.put(configText(400), { comment: 'begin' })
  await history.history.put(configText(500), { comment: 'stock has grown' })
  const lock = opened.adopt(createEtcdLock({ servers: [etcd] }), (one) => one.close())
  const processes = opened.adopt(new Map<string, ServiceProcess>(), (all) => closeAll(all.values()))
  const roles: readonly Role[] = [
    ...[0, 1].map((index): Role => ({ service: 'stock', id: `stock-${index}`, etcd })),
    ...[0, 1, 2].map((index): Role => ({ service: 'orders', id: `orders-${index}`, etcd, next: 'stock', isCandidate: true })),
    { service: 'shop', id: 'shop-0', etcd, calls: 'orders' },
    { service: 'reports', id: 'reports-0', etcd, calls: 'orders' },
  ]
  const started = await Promise.allSettled(roles.map(async (role) => processes.set(role.id, await startProcess(role))))
  for (const one of started) if (one.status === 'rejected') throw one.reason
  const registry = opened.adopt(createEtcdRegistry({ servers: [etcd] }), (one) => one.close())
  const parts = opened.move()

  /** A new reader: one that was there before would compare with its last minute. */
  function openReader(): Fleet {
    return createFleet({ source: registry, intervalMs: 500, onError: () => undefined })
  }

  return {
    etcd,
    urls,
    history,
    lock,
    process(id) {
      const found = processes.get(id)
      if (!found) throw new Error(`There is no process ${id}`)
      return found
    },
    async until(check) {
      await using reader = openReader()
      await eventually(async () => check(await reader.refresh()), fleetLimitMs)
    },
    async change(id, path, body) {
      await using reader = openReader()
      await reader.change(id, path, body)
    },
    holderOtherThan: (id) =>
      eventually(async () => {
        const value = (await lock.holder(lockKey))?.value
        if (value === undefined || value === id) throw new Error(`the lock is held by ${value}`)
        return value
      }, fleetLimitMs),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

async function closeAll(processes: Iterable<ServiceProcess>): Promise<void> {
  await Promise.all([...processes].map((one) => one.close()))
}

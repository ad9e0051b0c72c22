import { assembleRegistry, decodeEntries, type OperationContext } from '@sd/adapter-kit'
import { createEtcdConnection, followPrefix, type KeyValues, listPrefix } from '@sd/connection-etcd'
import {
  createSnapshot,
  escapeName,
  keepIfSame,
  type Registry,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  unescapeName,
} from '@sd/core'
import { readDocument } from './documents.ts'
import { createEtcdDriver } from './etcd-driver.ts'
import { type EtcdRegistryOptions, resolveEtcdRegistryOptions } from './options.ts'
import { createServiceFolders, serviceOfKey } from './service-folders.ts'
import { createSharedLease, type SharedLease } from './shared-lease.ts'

const capabilities = {
  register: true,
  watch: 'push',
  listServices: true,
  watchAll: true,
  ttl: true,
  conditionalRemove: true,
} as const

/** Largest document, in bytes. etcd accepts requests of up to 1.5 MiB. */
const maxDocumentBytes = 1_400_000

/**
 * Creates a registry that registers and finds instances in etcd. Each instance is a JSON document, bound to a lease.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createEtcdRegistry(options: EtcdRegistryOptions = {}): Registry {
  const settings = resolveEtcdRegistryOptions(options)
  const { prefix, ttlMs, name, operationTimeoutMs, enabled } = settings
  const connection = createEtcdConnection(settings)
  const leases = new Map<number, SharedLease>()

  const folderOf = (service: string): string => `${prefix}/${escapeName(service)}/`
  const keyOf = (service: string, id: string): string => folderOf(service) + escapeName(id)

  function leaseOf(instance: ServiceInstance): SharedLease {
    const lifetimeMs = instance.ttlMs ?? ttlMs
    const lease = leases.get(lifetimeMs) ?? createSharedLease(connection, lifetimeMs)
    leases.set(lifetimeMs, lease)
    return lease
  }

  function readInstance(key: string, text: string): ServiceInstance | undefined {
    const [service = '', id = '', ...rest] = key.slice(prefix.length + 1).split('/')
    // A key further down is not an instance.
    if (rest.length > 0 || id === '') return undefined
    return readDocument(text, { service: unescapeName(service), id: unescapeName(id) }).instance
  }

  function toSnapshot(service: string, { entries, revision }: KeyValues, previous?: ServiceSnapshot): ServiceSnapshot {
    const instances = decodeEntries(name, service, entries, ([key, { text }]) => readInstance(key, text))
    return createSnapshot({ service, instances, revision, previous })
  }

  function toNames(keys: Iterable<string>): readonly string[] {
    const folders = new Set<string>()
    for (const key of keys) folders.add(serviceOfKey(prefix, key))
    return [...folders].sort()
  }

  const { registry } = assembleRegistry({
    name,
    capabilities,
    ttlMs,
    operationTimeoutMs,
    enabled,
    driver: createEtcdDriver(connection, ({ service, id }) => keyOf(service, id), leaseOf),
    check(instance) {
      const bytes = Buffer.byteLength(JSON.stringify(instance))
      if (bytes <= maxDocumentBytes) return
      throw new SdError('SD_TOO_LARGE', `instance ${instance.id} has ${bytes} bytes, want at most ${maxDocumentBytes}`)
    },
    list: async (service) => toSnapshot(service, await connection.run((client) => listPrefix(client, folderOf(service)))),
    async get(service, instanceId) {
      const key = keyOf(service, instanceId)
      const text = await connection.run((client) => client.get(key).string())
      return text === null ? undefined : readInstance(key, text)
    },
    listServices: async () => {
      const keys = await connection.run((client) => client.getAll().prefix(`${prefix}/`).keys())
      return toNames(keys)
    },
    remove: async (service, instanceId) =>
      void (await connection.run((client) => client.delete().key(keyOf(service, instanceId)).exec())),
    ping: async (_: OperationContext) => void (await connection.run((client) => client.get(`${prefix}/`).exec())),
    follow: (service, { offer, previous, signal }) =>
      followPrefix(connection, folderOf(service), { signal, onChange: (all) => offer(toSnapshot(service, all, previous())) }),
    followServices: ({ offer, previous, signal }) =>
      followPrefix(connection, `${prefix}/`, {
        signal,
        keysOnly: true,
        onChange: ({ entries }) => offer(keepIfSame(previous(), toNames(entries.keys()))),
      }),
    followAll: ({ offer, previous, signal }) => {
      const services = createServiceFolders({ prefix, toSnapshot, before: previous() })
      return followPrefix(connection, `${prefix}/`, { signal, onChange: (all, changed) => offer(services.take(all, changed)) })
    },
    async close() {
      await Promise.allSettled([...leases.values()].map((lease) => lease.revoke()))
      connection.close()
    },
  })
  return registry
}

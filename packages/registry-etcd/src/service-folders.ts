import { replaceServices } from '@sd/adapter-kit'
import type { KeyValue, KeyValues } from '@sd/connection-etcd'
import { type AllServices, collectServices, type ServiceSnapshot, unescapeName } from '@sd/core'

/** Options of {@link createServiceFolders}. */
export interface ServiceFoldersOptions {
  /** Above the folders of services. */
  readonly prefix: string
  /** Reads the keys of one service. */
  readonly toSnapshot: (service: string, keys: KeyValues, previous?: ServiceSnapshot) => ServiceSnapshot
  /** What was known before this session. */
  readonly before: AllServices | undefined
}

/** All services of a prefix, by their folders. */
export interface ServiceFolders {
  /** Takes what is below the prefix now. @param changed the keys that differ from the call before; absent for all */
  take(all: KeyValues, changed?: ReadonlySet<string>): AllServices
}

/** The service that a key below the prefix belongs to. */
export function serviceOfKey(prefix: string, key: string): string {
  return unescapeName(key.slice(prefix.length + 1).split('/', 1)[0] as string)
}

/** Keeps the keys of every service apart, so that a change costs the reading of its own service only. */
export function createServiceFolders({ prefix, toSnapshot, before }: ServiceFoldersOptions): ServiceFolders {
  const folders = new Map<string, Map<string, KeyValue>>()
  let services = before
  let isListed = false

  /** @returns the service */
  function put(key: string, value: KeyValue | undefined): string {
    const service = serviceOfKey(prefix, key)
    const folder = folders.get(service) ?? new Map<string, KeyValue>()
    if (value) folder.set(key, value)
    else folder.delete(key)
    folders.set(service, folder)
    return service
  }

  return {
    take({ entries, revision }, changed = new Set(entries.keys())) {
      const names = new Set(Array.from(changed, (key) => put(key, entries.get(key))))
      const read = Array.from(names, (service) => {
        const folder = folders.get(service) ?? new Map<string, KeyValue>()
        if (folder.size === 0) folders.delete(service)
        return toSnapshot(service, { entries: folder, revision }, services?.get(service))
      })
      services = isListed && services ? replaceServices(services, read) : collectServices(read, services)
      isListed = true
      return services
    },
  }
}

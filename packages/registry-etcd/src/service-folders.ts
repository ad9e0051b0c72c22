import { replaceServices } from '@sd/adapter-kit'
import type { KeyValue, KeyValues } from '@sd/connection-etcd'
import { type AllServices, collectServices, type ServiceSnapshot, unescapeName } from '@sd/core'

/** Options of {@link createServiceFolders}. */
export interface ServiceFoldersOptions {
  /** Prefix of the keys of all services. */
  readonly prefix: string
  /** Reads the keys of one service. */
  readonly toSnapshot: (service: string, keys: KeyValues, previous?: ServiceSnapshot) => ServiceSnapshot
  /** The services known before this session. */
  readonly before: AllServices | undefined
}

/** The services below a prefix, grouped by folder. */
export interface ServiceFolders {
  /**
   * Updates from the keys below the prefix. @param changed the keys that differ from the previous call; absent for all
   */
  take(all: KeyValues, changed?: ReadonlySet<string>): AllServices
}

/** Returns the service of a key below the prefix. */
export function serviceOfKey(prefix: string, key: string): string {
  return unescapeName(key.slice(prefix.length + 1).split('/', 1)[0] as string)
}

/** Groups keys by service, so that a change requires reading only its own service. */
export function createServiceFolders({ prefix, toSnapshot, before }: ServiceFoldersOptions): ServiceFolders {
  const folders = new Map<string, Map<string, KeyValue>>()
  let services = before
  let isListed = false

  /** Sets or removes a key. @returns its service */
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

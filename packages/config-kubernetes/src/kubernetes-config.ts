import { assembleWritableConfigSource, createConfigDocument } from '@sd/adapter-kit'
import { createKubernetesConnection, followCollection, listCollection } from '@sd/connection-kubernetes'
import { type ConfigDocument, type ConfigEntry, SdError, type WritableConfigSource } from '@sd/core'
import { type ConfigObject, readEntries } from './config-objects.ts'
import { createObjectWriter } from './object-writer.ts'
import { type KubernetesConfigSourceOptions, resolveKubernetesConfigSourceOptions } from './options.ts'
import { type KubernetesTarget, targetsOf } from './targets.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: true } as const

/**
 * Configuration in ConfigMaps and Secrets of a namespace: every key of an object is an entry `<name>/<key>`.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNSUPPORTED` on Bun, which replaces the undici that the client library stands on
 */
export function createKubernetesConfigSource(options: KubernetesConfigSourceOptions): WritableConfigSource {
  const settings = resolveKubernetesConfigSourceOptions(options)
  const { name, operationTimeoutMs, required } = settings
  const connection = createKubernetesConnection(settings)
  const targets = targetsOf(settings, connection.namespace)
  const writer = createObjectWriter({ name, connection, targets })

  function entriesOf({ kind, object }: KubernetesTarget, found: Iterable<ConfigObject>): readonly ConfigEntry[] {
    const objects = [...found].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    if (required && object !== undefined && objects.length === 0) {
      // It may come: a watch waits for it with what was there before.
      throw new SdError('SD_NOT_FOUND', `${name}: there is no ${kind} ${object} in ${connection.namespace}`, { retryable: true })
    }
    return objects.flatMap((one) => readEntries(kind, one))
  }

  /** @param found the objects of each target */
  function toDocument(found: readonly Iterable<ConfigObject>[], previous?: ConfigDocument): ConfigDocument {
    const entries = new Map<string, ConfigEntry>()
    for (const entry of targets.flatMap((target, index) => entriesOf(target, found[index] ?? []))) {
      // A Secret's wins over that of a ConfigMap of the same name, and is merged in its own place.
      entries.delete(entry.key)
      entries.set(entry.key, entry)
    }
    return createConfigDocument(name, [...entries.values()], previous)
  }

  return assembleWritableConfigSource({
    name,
    capabilities,
    operationTimeoutMs,
    async read({ signal }) {
      const listings = await Promise.all(targets.map((target) => listCollection<ConfigObject>(connection, target, signal)))
      return toDocument(listings.map(({ items }) => items))
    },
    async follow({ offer, previous, signal }) {
      const found = new Map<KubernetesTarget, Map<string, ConfigObject>>()
      function tell(): void {
        const objects = targets.map((target) => found.get(target)?.values())
        if (objects.every((one) => one !== undefined)) offer(toDocument(objects, previous()))
      }
      const follow = (target: KubernetesTarget): Promise<void> =>
        followCollection<ConfigObject>(connection, {
          ...target,
          signal,
          operationTimeoutMs,
          onList({ items }) {
            found.set(target, new Map(items.map((object) => [object.metadata.name, object])))
            tell()
          },
          onChange(object, isThere) {
            if (isThere) found.get(target)?.set(object.metadata.name, object)
            else found.get(target)?.delete(object.metadata.name)
            tell()
          },
        })
      await Promise.all(targets.map(follow))
    },
    put: writer.put,
    remove: writer.remove,
    close: () => connection.close(),
  })
}

import { assembleWritableConfigSource, createConfigDocument, requiredError } from '@sd/adapter-kit'
import { createKubernetesConnection, followCollection, listCollection } from '@sd/connection-kubernetes'
import type { ConfigDocument, ConfigEntry, WritableConfigSource } from '@sd/core'
import { type ConfigObject, readEntries } from './config-objects.ts'
import { createObjectWriter } from './object-writer.ts'
import { type KubernetesConfigSourceOptions, resolveKubernetesConfigSourceOptions } from './options.ts'
import { type KubernetesTarget, targetsOf } from './targets.ts'

const capabilities = { watch: 'push', write: true, compareAndSet: true, annotations: true } as const

/**
 * Creates a source on ConfigMaps and Secrets of a namespace. Every key of an object is an entry `<name>/<key>`.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNSUPPORTED` on Bun, which replaces undici, a dependency of the client
 * library
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
      throw requiredError(name, `${kind} ${object} not found in namespace ${connection.namespace}`)
    }
    return objects.flatMap((one) => readEntries(kind, one))
  }

  /** @param found the objects of each target */
  function toDocument(found: readonly Iterable<ConfigObject>[], previous?: ConfigDocument): ConfigDocument {
    const entries = new Map<string, ConfigEntry>()
    for (const entry of targets.flatMap((target, index) => entriesOf(target, found[index] ?? []))) {
      // The entry of a Secret replaces that of a ConfigMap of the same name, and is merged at the position of the Secret.
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
      function offerAll(): void {
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
            offerAll()
          },
          onChange(object, isThere) {
            if (isThere) found.get(target)?.set(object.metadata.name, object)
            else found.get(target)?.delete(object.metadata.name)
            offerAll()
          },
        })
      await Promise.all(targets.map(follow))
    },
    put: writer.put,
    remove: writer.remove,
    close: () => connection.close(),
  })
}

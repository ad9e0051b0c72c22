import { createConfigDocument, formatOfKey } from '@sd/adapter-kit'
import {
  type ConfigDocument,
  type ConfigEntry,
  type ConfigSource,
  checkKnownKeys,
  checkObject,
  SdError,
  type Watched,
} from '@sd/core'
import { type CanaryInstance, type CanaryVersion, canaryKeyOf, checkInstance, decodeCanary, isChosen } from './canary-entry.ts'
import { canarySuffix } from './profiles.ts'

/** Options of {@link withCanaryRelease}. */
export interface WithCanaryReleaseOptions {
  /** The instance that reads. */
  readonly instance: CanaryInstance
}

/**
 * A source as one instance sees it: an entry whose canary version applies to the instance has the canary text. Entries that
 * store canary versions are omitted; a damaged one applies to no instance. Closing it closes the wrapped source.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function withCanaryRelease(source: ConfigSource, options: WithCanaryReleaseOptions): ConfigSource {
  checkKnownKeys('', checkObject('options', options), ['instance'])
  const instance = checkInstance(options.instance)

  // Shared by all watches, so that they share documents as the watches of the source do.
  const seen = new WeakMap<ConfigDocument, ConfigDocument>()
  let last: ConfigDocument | undefined

  function see(document: ConfigDocument): ConfigDocument {
    last = seen.get(document) ?? createConfigDocument(source.name, choose(document), last)
    seen.set(document, last)
    return last
  }
  function choose({ entries }: ConfigDocument): readonly ConfigEntry[] {
    const stable = entries.filter(({ key }) => !key.endsWith(canarySuffix))
    const chosen = new Map(
      entries.flatMap((entry) => {
        const version = entry.key.endsWith(canarySuffix) ? read(entry) : undefined
        return version && isChosen(version, instance) ? [[entry.key, { entry, version }] as const] : []
      }),
    )
    const chosenEntries = stable.map((entry) => {
      const canary = chosen.get(canaryKeyOf(entry.key))
      chosen.delete(canaryKeyOf(entry.key))
      return canary ? { ...entry, content: canary.version.content, revision: canaryRevision(canary.entry) } : entry
    })
    for (const [canaryKey, { entry, version }] of chosen) {
      const key = canaryKey.slice(0, -canarySuffix.length)
      const { content } = version
      chosenEntries.push({ key, content, format: formatOfKey(key), revision: canaryRevision(entry), isSecret: entry.isSecret })
    }
    return chosenEntries
  }

  const { name, capabilities } = source
  return {
    name,
    capabilities: { ...capabilities, write: false, compareAndSet: false },
    get state() {
      return source.state
    },
    load: async (loadOptions) => see(await source.load(loadOptions)),
    watch: (watchOptions) => ({
      [Symbol.asyncIterator]: () => mapWatch(source.watch(watchOptions)[Symbol.asyncIterator](), see),
    }),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
}

function read(entry: ConfigEntry): CanaryVersion | undefined {
  try {
    return decodeCanary(entry)
  } catch (error) {
    if (error instanceof SdError) return undefined
    throw error
  }
}

function canaryRevision({ revision }: ConfigEntry): string {
  return `canary:${revision}`
}

/** Maps the documents of a watch and skips repeated results. Not an async generator, see `createLatestWins` of core. */
function mapWatch(
  steps: AsyncIterator<Watched<ConfigDocument>>,
  map: (document: ConfigDocument) => ConfigDocument,
): AsyncIterableIterator<Watched<ConfigDocument>> {
  let last: Watched<ConfigDocument> = {}
  return {
    async next() {
      for (;;) {
        const step = await steps.next()
        if (step.done) return { done: true, value: undefined }
        const { value, stale } = step.value
        const mapped = { ...(value && { value: map(value) }), ...(stale && { stale }) }
        const isNews = mapped.value !== last.value || mapped.stale !== last.stale || !mapped.value
        last = mapped
        if (isNews) return { done: false, value: mapped }
      }
    },
    async return() {
      await steps.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

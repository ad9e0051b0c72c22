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
import { checkInstance, decodeGray, type GrayInstance, type GrayVersion, grayKeyOf, isChosen } from './gray-entry.ts'
import { graySuffix } from './profiles.ts'

/** Options of {@link withGrayRelease}. */
export interface WithGrayReleaseOptions {
  /** The instance that reads. */
  readonly instance: GrayInstance
}

/**
 * A source as one instance sees it: entries with a gray version that is for this instance have that one's text. Entries that keep gray versions
 * are left out; a damaged one counts for nobody. Closing it closes the source.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function withGrayRelease(source: ConfigSource, options: WithGrayReleaseOptions): ConfigSource {
  checkKnownKeys('', checkObject('options', options), ['instance'])
  const instance = checkInstance(options.instance)

  // One for all watches, so that they share documents as those of the source do.
  const seen = new WeakMap<ConfigDocument, ConfigDocument>()
  let last: ConfigDocument | undefined

  function see(document: ConfigDocument): ConfigDocument {
    last = seen.get(document) ?? createConfigDocument(source.name, choose(document), last)
    seen.set(document, last)
    return last
  }
  function choose({ entries }: ConfigDocument): readonly ConfigEntry[] {
    const stable = entries.filter(({ key }) => !key.endsWith(graySuffix))
    const chosen = new Map(
      entries.flatMap((entry) => {
        const version = entry.key.endsWith(graySuffix) ? read(entry) : undefined
        return version && isChosen(version, instance) ? [[entry.key, { entry, version }] as const] : []
      }),
    )
    const chosenEntries = stable.map((entry) => {
      const gray = chosen.get(grayKeyOf(entry.key))
      chosen.delete(grayKeyOf(entry.key))
      return gray ? { ...entry, content: gray.version.content, revision: grayRevision(gray.entry) } : entry
    })
    for (const [grayKey, { entry, version }] of chosen) {
      const key = grayKey.slice(0, -graySuffix.length)
      const { content } = version
      chosenEntries.push({ key, content, format: formatOfKey(key), revision: grayRevision(entry), isSecret: entry.isSecret })
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

function read(entry: ConfigEntry): GrayVersion | undefined {
  try {
    return decodeGray(entry)
  } catch (error) {
    if (error instanceof SdError) return undefined
    throw error
  }
}

function grayRevision({ revision }: ConfigEntry): string {
  return `gray:${revision}`
}

/** Maps the documents of a watch; what maps to the same is not told again. Not an async generator, see `createLatestWins` of core. */
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

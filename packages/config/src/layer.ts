import type { ConfigDocument, ConfigEntry } from '@sd/core'
import { type ConfigTree, treeOf } from './config-tree.ts'
import { type Decryption, decryptContent, decryptTree } from './decryption.ts'
import { type ConfigFailure, configError } from './failure.ts'
import type { ResolvedConfigOptions, ResolvedConfigSourceOptions } from './options.ts'
import type { EntrySelection } from './profiles.ts'
import { relaxed } from './relaxed-key.ts'
import { isUntyped, lineOfPath, type TextToParse } from './text/parse.ts'
import { parsePool } from './text/parse-pool.ts'
import { TextError } from './text/text-error.ts'
import type { TextTree } from './text/text-tree.ts'

/** What one entry contributes. */
export interface Layer {
  /** Name of its source. */
  readonly source: string
  /** Key of its entry; layers of the configuration itself have none. */
  readonly key?: string | undefined
  /** Its values. */
  readonly tree: ConfigTree
  /** Line of the value at a path. */
  readonly lineOf: (keys: readonly string[]) => number | undefined
  /** Whether all of it is secret. */
  readonly isSecret: boolean
  /** Whether its values are texts whatever they mean. */
  readonly isUntyped: boolean
  /** Whether its keys follow the spelling of the layers below. */
  readonly isRelaxed: boolean
  /** Whether the entry was encrypted as a whole. */
  readonly isEncrypted: boolean
  /** Whether a value was encrypted. */
  readonly isDecrypted: (keys: readonly string[]) => boolean
}

/** A layer of values that are no text. */
export function plainLayer(source: string, tree: ConfigTree): Layer {
  const never = (): boolean => false
  const lineOf = (): undefined => undefined
  return { source, tree, lineOf, isSecret: false, isUntyped: false, isRelaxed: false, isEncrypted: false, isDecrypted: never }
}

/** Turns documents of one source into layers, and remembers those of entries that stay as they are. */
export interface LayerReader {
  /** The layers of a document, lowest first. @throws ConfigError that names source, key, line and field */
  read(document: ConfigDocument, signal: AbortSignal): Promise<readonly Layer[]>
  /** Forgets what it remembers, so that everything is decrypted anew. */
  forget(): void
}

/** Makes the reader of one source. */
export function createLayerReader(
  options: ResolvedConfigSourceOptions,
  selectEntries: EntrySelection,
  { decrypt, isRequired }: Pick<ResolvedConfigOptions, 'decrypt' | 'isRequired'>,
): LayerReader {
  const source = options.source.name
  const { at, keys: isWanted, relaxed: isRelaxed, keepNewline } = options
  let known = new WeakMap<ConfigEntry, Layer>()

  async function readEntry(entry: ConfigEntry, decryption: Decryption): Promise<Layer> {
    const found = known.get(entry)
    if (found) return found
    const { key } = entry
    const place = { source, key }
    const format = options.format ?? entry.format
    const content = await decryptContent(entry, place, format, decryption)
    const parsed = await parse(
      { content: content ?? entry.content, format, key, isRelaxed, keepNewline },
      place,
      decryption.signal,
    )
    const lineOf = (keys: readonly string[]): number | undefined => lineOfPath(parsed, format, keys)
    const { tree, decrypted } = await decryptTree(parsed.tree, { ...place, lineOf }, decryption)
    const layer: Layer = {
      ...place,
      tree: treeOf(at, tree),
      lineOf: (keys) => lineOf(keys.slice(at.length)),
      isSecret: entry.isSecret === true || content !== undefined,
      isUntyped: isUntyped(format),
      isRelaxed: isRelaxed && isUntyped(format),
      isEncrypted: content !== undefined,
      isDecrypted: (keys) => decrypted.has(relaxed(keys.slice(at.length).join('.'))),
    }
    known.set(entry, layer)
    return layer
  }

  /** Entries that are one value each must not lie within each other: one of them would be lost. @throws ConfigError */
  function checkTextKeys(texts: readonly ConfigEntry[]): void {
    const spell = isRelaxed ? relaxed : (key: string): string => key
    const spelled = new Map(texts.map(({ key }) => [spell(key), key]))
    for (const { key } of texts) {
      const twin = spelled.get(spell(key))
      const above = key
        .split('/')
        .slice(0, -1)
        .map((_, depth, segments) => spelled.get(spell(segments.slice(0, depth + 1).join('/'))))
        .find((found) => found !== undefined)
      const other = above ?? (twin === key ? undefined : twin)
      if (other === undefined) continue
      const message = above === undefined ? `is ${other} in another spelling` : `lies within ${other}, which is a value`
      throw configError('SD_MALFORMED', [{ source, key, message }])
    }
  }

  return {
    async read({ entries }, signal) {
      const wanted = selectEntries(
        entries.filter(({ key }) => isWanted(key)),
        options.format,
      )
      checkTextKeys(wanted.filter((entry) => (options.format ?? entry.format) === 'text'))
      return Promise.all(
        wanted.map((entry) => {
          const isEntryRequired = options.requireEncrypted.includes(entry.key)
          const isKeyRequired = (keys: readonly string[]): boolean =>
            keys.length === 0 ? isEntryRequired : isRequired([...at, ...keys])
          return readEntry(entry, { decrypt, isRequired: isKeyRequired, signal })
        }),
      )
    },
    forget() {
      known = new WeakMap()
    },
  }
}

async function parse(text: TextToParse, place: Pick<ConfigFailure, 'source' | 'key'>, signal: AbortSignal): Promise<TextTree> {
  try {
    return await parsePool.parse(text, signal)
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    const { message, line } = error
    throw configError('SD_MALFORMED', [{ ...place, line, message }])
  }
}

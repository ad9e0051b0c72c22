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

/** Contribution of one entry. */
export interface Layer {
  /** Name of the source. */
  readonly source: string
  /** Key of the entry; layers of the configuration itself have none. */
  readonly key?: string | undefined
  /** The values. */
  readonly tree: ConfigTree
  /** Line of the value at a path. */
  readonly lineOf: (keys: readonly string[]) => number | undefined
  /** Whether the entry is secret as a whole. */
  readonly isSecret: boolean
  /** Whether the format has no types, so that all values are strings. */
  readonly isUntyped: boolean
  /** Whether its keys adopt the spelling of lower layers. */
  readonly isRelaxed: boolean
  /** Whether the entry was encrypted as a whole. */
  readonly isEncrypted: boolean
  /** Whether a value was encrypted. */
  readonly isDecrypted: (keys: readonly string[]) => boolean
}

/** Creates a layer of plain values, which have no text. */
export function plainLayer(source: string, tree: ConfigTree): Layer {
  const never = (): boolean => false
  const lineOf = (): undefined => undefined
  return { source, tree, lineOf, isSecret: false, isUntyped: false, isRelaxed: false, isEncrypted: false, isDecrypted: never }
}

/** Converts documents of one source to layers, and caches the layers of unchanged entries. */
export interface LayerReader {
  /** The layers of a document, lowest first. @throws ConfigError naming source, key, line and field */
  read(document: ConfigDocument, signal: AbortSignal): Promise<readonly Layer[]>
  /** Clears the cache, so that everything is decrypted again. */
  forget(): void
}

/** Creates the reader of one source. */
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

  /** Rejects a `text` entry inside another one, because one of the values would be lost. @throws ConfigError */
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

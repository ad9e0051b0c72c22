import type { ConfigDocument, ConfigEntry } from '@sd/core'
import { type Decrypt, type Decryption, decryptContent, decryptTree } from './decryption.ts'
import { type ConfigFailure, configError } from './failure.ts'
import type { LayerOptions } from './options.ts'
import { parseText } from './parse.ts'
import { type ConfigTree, treeOf } from './path.ts'
import type { EntrySelection } from './profiles.ts'
import { relaxed } from './spelling.ts'
import type { TextError } from './text-error.ts'

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
  /** Whether a value was encrypted. */
  readonly isDecrypted: (keys: readonly string[]) => boolean
}

/** A layer of values that are no text. */
export function plainLayer(source: string, tree: ConfigTree): Layer {
  const never = (): boolean => false
  const lineOf = (): undefined => undefined
  return { source, tree, lineOf, isSecret: false, isUntyped: false, isRelaxed: false, isDecrypted: never }
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
  options: LayerOptions,
  selectEntries: EntrySelection,
  decrypt: Decrypt | undefined,
): LayerReader {
  const source = options.source.name
  const { at, format, keys: isWanted, relaxed: isRelaxed } = options
  let known = new WeakMap<ConfigEntry, Layer>()

  async function readEntry(entry: ConfigEntry, decryption: Decryption): Promise<Layer> {
    const found = known.get(entry)
    if (found) return found
    const place = { source, key: entry.key }
    const content = await decryptContent(entry, place, format, decryption)
    const parsed = parse(content ?? entry.content, place)
    const { tree, decrypted } = await decryptTree(parsed.tree, { ...place, lineOf: parsed.lineOf }, decryption)
    const layer: Layer = {
      ...place,
      tree: treeOf(at, tree),
      lineOf: (keys) => parsed.lineOf(keys.slice(at.length)),
      isSecret: entry.isSecret === true || content !== undefined,
      isUntyped: parsed.isUntyped,
      isRelaxed: isRelaxed && parsed.isUntyped,
      isDecrypted: (keys) => decrypted.has(relaxed(keys.slice(at.length).join('.'))),
    }
    known.set(entry, layer)
    return layer

    function parse(text: string, failure: Pick<ConfigFailure, 'source' | 'key'>): ReturnType<typeof parseText> {
      try {
        return parseText(text, format ?? entry.format, entry.key)
      } catch (error) {
        const { message, line } = error as TextError
        throw configError('SD_MALFORMED', [{ ...failure, line, message }])
      }
    }
  }

  return {
    async read({ entries }, signal) {
      const wanted = selectEntries(
        entries.filter(({ key }) => isWanted(key)),
        format,
      )
      return Promise.all(wanted.map((entry) => readEntry(entry, { decrypt, signal })))
    },
    forget() {
      known = new WeakMap()
    },
  }
}

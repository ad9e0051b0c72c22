import { type ConfigEntry, type ConfigFormat, toSdError } from '@sd/core'
import { type ConfigFailure, configError } from './failure.ts'
import { type ConfigTree, isTree } from './path.ts'
import { relaxed } from './spelling.ts'

/** Where an encrypted value is. */
export interface CiphertextPlace {
  /** Path of the value in its entry, such as `db.password`; empty if the entry is encrypted as a whole. */
  readonly path: string
  /** Name of the source. */
  readonly source: string
  /** Key of the entry. */
  readonly key: string
  /** Fires at the limit of the update. */
  readonly signal: AbortSignal
}

/** Turns `ENC[…]` into what it stands for; what it throws keeps the last good configuration. */
export type Decrypt = (ciphertext: string, place: CiphertextPlace) => string | Promise<string>

interface EntryPlace {
  readonly source: string
  readonly key: string
}

/** What decrypts, and how long it may. */
export interface Decryption {
  readonly decrypt: Decrypt | undefined
  readonly signal: AbortSignal
}

const encrypted = /^\s*ENC\[[^\]]*\]\s*$/

/** The content of an entry that is encrypted as a whole, which one of format `text` is not; `undefined` if it isn't. @throws ConfigError */
export async function decryptContent(
  entry: ConfigEntry,
  place: EntryPlace,
  format: ConfigFormat | undefined,
  decryption: Decryption,
): Promise<string | undefined> {
  if ((format ?? entry.format) === 'text' || !encrypted.test(entry.content)) return undefined
  return decryptOne(entry.content, place, undefined, decryption)
}

/** A tree whose `ENC[…]` are decrypted, and their paths in relaxed form. @throws ConfigError */
export async function decryptTree(
  tree: ConfigTree,
  place: EntryPlace & { readonly lineOf: (keys: readonly string[]) => number | undefined },
  decryption: Decryption,
): Promise<{ readonly tree: ConfigTree; readonly decrypted: ReadonlySet<string> }> {
  const decrypted = new Set<string>()
  const { lineOf, ...entry } = place

  async function walk(value: unknown, keys: readonly string[]): Promise<unknown> {
    if (Array.isArray(value)) return Promise.all(value.map((item, index) => walk(item, [...keys, String(index)])))
    if (isTree(value)) {
      const walked = Object.entries(value).map(async ([key, item]) => [key, await walk(item, [...keys, key])] as const)
      return Object.fromEntries(await Promise.all(walked))
    }
    if (typeof value !== 'string' || !encrypted.test(value)) return value
    const field = keys.join('.')
    decrypted.add(relaxed(field))
    return decryptOne(value, { ...entry, line: lineOf(keys) }, field, decryption)
  }
  const plain = hasCiphertext(tree) ? ((await walk(tree, [])) as ConfigTree) : tree
  return { tree: plain, decrypted }
}

function hasCiphertext(value: unknown): boolean {
  if (typeof value === 'string') return encrypted.test(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasCiphertext)
}

async function decryptOne(
  ciphertext: string,
  place: EntryPlace & Pick<ConfigFailure, 'line'>,
  field: string | undefined,
  decryption: Decryption,
): Promise<string> {
  const { decrypt, signal } = decryption
  const failure = { ...place, field }
  if (!decrypt) throw configError('SD_UNSUPPORTED', [{ ...failure, message: 'is encrypted, and there is no option decrypt' }])
  try {
    const { source, key } = place
    return await decrypt(ciphertext.trim(), { path: field ?? '', source, key, signal })
  } catch (caught) {
    const cause = toSdError(caught, 'SD_MALFORMED', 'decrypt')
    throw configError(cause.code, [{ ...failure, message: `can't be decrypted: ${cause.message}` }], cause)
  }
}

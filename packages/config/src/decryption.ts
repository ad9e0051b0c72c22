import { type ConfigEntry, type ConfigFormat, type SdError, type SdErrorCode, toSdError } from '@sd/core'
import { type ConfigTree, isTree } from './config-tree.ts'
import { configError } from './failure.ts'
import { relaxed } from './relaxed-key.ts'

/** Where an encrypted value is. */
export interface CiphertextPlace {
  /** Path of the value in its entry, such as `db.password`; empty if the entry is encrypted as a whole. */
  readonly path: string
  /** Name of the source. */
  readonly source: string
  /** Key of the entry. */
  readonly key: string
  /** Whether it is where a value must be encrypted, see `requireEncrypted`. */
  readonly isRequired: boolean
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
  /** Whether what is at a path of the entry must be encrypted; of the entry as a whole, at the empty path. */
  readonly isRequired: (keys: readonly string[]) => boolean
  readonly signal: AbortSignal
}

const encrypted = /^\s*ENC\[[^\]]*\]\s*$/

/** The content of an entry that is encrypted as a whole, which one of format `text` is not; `undefined` if it isn't. @throws ConfigError */
export async function decryptContent(
  entry: ConfigEntry,
  place: EntryPlace,
  format: ConfigFormat,
  decryption: Decryption,
): Promise<string | undefined> {
  if (format === 'text' || !encrypted.test(entry.content)) {
    if (!decryption.isRequired([])) return undefined
    throw configError('SD_DENIED', [{ ...place, message: 'must be encrypted as a whole' }])
  }
  return decryptOne(entry.content, { ...place, lineOf: () => undefined }, [], decryption)
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
    decrypted.add(relaxed(keys.join('.')))
    return decryptOne(value, { ...entry, lineOf: () => lineOf(keys) }, keys, decryption)
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
  { lineOf, source, key }: EntryPlace & { readonly lineOf: () => number | undefined },
  keys: readonly string[],
  decryption: Decryption,
): Promise<string> {
  const { decrypt, signal, isRequired } = decryption
  const field = keys.length > 0 ? keys.join('.') : undefined
  const fail = (code: SdErrorCode, message: string, cause?: SdError): never => {
    throw configError(code, [{ source, key, line: lineOf(), field, message }], cause)
  }
  if (!decrypt) return fail('SD_UNSUPPORTED', 'is encrypted, and there is no option decrypt')
  try {
    return await decrypt(ciphertext.trim(), { path: field ?? '', source, key, isRequired: isRequired(keys), signal })
  } catch (caught) {
    const cause = toSdError(caught, 'SD_MALFORMED', 'decrypt')
    return fail(cause.code, `can't be decrypted: ${cause.message}`, cause)
  }
}

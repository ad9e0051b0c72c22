import { type ConfigEntry, type ConfigFormat, type SdError, type SdErrorCode, toSdError } from '@sd/core'
import { type ConfigTree, isTree } from './config-tree.ts'
import { configError } from './failure.ts'
import { relaxed } from './relaxed-key.ts'

/** Location of an encrypted value. */
export interface CiphertextPlace {
  /** Path of the value in its entry, such as `db.password`. Empty if the entry is encrypted as a whole. */
  readonly path: string
  /** Name of the source. */
  readonly source: string
  /** Key of the entry. */
  readonly key: string
  /** Whether the value must be encrypted, see `requireEncrypted`. */
  readonly isRequired: boolean
  /** Aborts at the time limit of the update. */
  readonly signal: AbortSignal
}

/** Decrypts `ENC[…]`. If it throws, the last valid configuration stays in effect. */
export type Decrypt = (ciphertext: string, place: CiphertextPlace) => string | Promise<string>

interface EntryPlace {
  readonly source: string
  readonly key: string
}

/** Context of decryption. */
export interface Decryption {
  readonly decrypt: Decrypt | undefined
  /** Whether the value at a path of the entry must be encrypted; the empty path stands for the whole entry. */
  readonly isRequired: (keys: readonly string[]) => boolean
  readonly signal: AbortSignal
}

const encrypted = /^\s*ENC\[[^\]]*\]\s*$/

/** Decrypts an entry that is encrypted as a whole; `undefined` for others and for entries of format `text`. @throws ConfigError */
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

/** Decrypts all `ENC[…]` of a tree. Returns their paths in relaxed form. @throws ConfigError */
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
  if (!decrypt) return fail('SD_UNSUPPORTED', 'is encrypted, but the option decrypt is not set')
  try {
    return await decrypt(ciphertext.trim(), { path: field ?? '', source, key, isRequired: isRequired(keys), signal })
  } catch (caught) {
    const cause = toSdError(caught, 'SD_MALFORMED', 'decrypt')
    return fail(cause.code, `can't be decrypted: ${cause.message}`, cause)
  }
}

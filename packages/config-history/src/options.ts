import { checkConfigKey, checkFormat, formatOfKey } from '@sd/adapter-kit'
import { readConfigText } from '@sd/config'
import {
  type ConfigFormat,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkObject,
  createMasking,
  invalidError,
  type Masking,
  type MaskingOptions,
  type WritableConfigSource,
} from '@sd/core'
import type { HistoryStore } from './store.ts'

/** Options of `createConfigHistory`. */
export interface ConfigHistoryOptions {
  /** Source of the configuration. The history does not close it. */
  readonly source: WritableConfigSource
  /** Key of the entry. Every entry has its own history. */
  readonly key: string
  /** Store of the versions. */
  readonly store: HistoryStore
  /** Default author of versions. */
  readonly author: string
  /** Maximum number of versions kept; at least 2. @default 100 */
  readonly maxVersions?: number
  /** Format of the texts for `diff`. @default by the extension of the key */
  readonly format?: ConfigFormat
  /** Custom parser for `diff`. @default `readConfigText` of `@sd/config` */
  readonly parse?: (content: string) => unknown
  /** Additional secrets, besides those that `Masking` of `@sd/core` finds: diffs show `***` for them. `false` shows everything. @default {} */
  readonly masking?: MaskingOptions | false
  /**
   * Uses HMACs as hashes: only holders of the secret can write a valid chain. All readers and writers of the history need it.
   *
   * @default plain SHA-256, see the README
   */
  readonly secret?: string
  /** Time limit of the write to the source, in milliseconds. After three times this, the writer of a pending version is considered dead. @default 5_000 */
  readonly writeTimeoutMs?: number
  /** Time limit of one call, including the wait for other writers, in milliseconds. @default 30_000 */
  readonly operationTimeoutMs?: number
}

/** Options with their defaults filled in. */
export type ResolvedConfigHistoryOptions = Omit<ConfigHistoryOptions, 'masking'> &
  Required<Omit<ConfigHistoryOptions, 'masking' | 'secret'>> & {
    /** Masking rule of diffs; `undefined` shows everything. */
    readonly masking: Masking | undefined
  }

const known = [
  'source',
  'key',
  'store',
  'author',
  'maxVersions',
  'format',
  'parse',
  'masking',
  'secret',
  'writeTimeoutMs',
  'operationTimeoutMs',
]

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveConfigHistoryOptions(options: ConfigHistoryOptions): ResolvedConfigHistoryOptions {
  checkKnownKeys('', options, known)
  const { source, store, secret } = options
  const key = checkConfigKey('key', options.key)
  const format = checkFormat('format', options.format ?? formatOfKey(key))
  checkObject('source', source)
  checkFunction('source.put', source.put)
  checkObject('store', store)
  if (secret !== undefined && (typeof secret !== 'string' || secret === ''))
    throw invalidError('secret', `a ${typeof secret}`, 'a non-empty string')
  return {
    ...options,
    key,
    format,
    masking: options.masking === false ? undefined : createMasking(options.masking),
    author: checkName('author', options.author),
    maxVersions: checkInteger('maxVersions', options.maxVersions ?? 100, { min: 2, max: 100_000 }),
    parse: checkFunction('parse', options.parse ?? ((content) => readConfigText(content, { key, format }))),
    writeTimeoutMs: checkDuration('writeTimeoutMs', options.writeTimeoutMs ?? 5_000, 1),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 30_000, 1),
  }
}

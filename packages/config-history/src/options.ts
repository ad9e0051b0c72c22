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
  /** Where the configuration is. It stays the caller's to close. */
  readonly source: WritableConfigSource
  /** Key of its entry. Every entry has a history of its own. */
  readonly key: string
  /** Where the versions are kept. */
  readonly store: HistoryStore
  /** Who writes, unless a call says otherwise. */
  readonly author: string
  /** Most versions that are kept; at least 2. @default 100 */
  readonly maxVersions?: number
  /** How its texts are read for `diff`. @default what the key's extension tells */
  readonly format?: ConfigFormat
  /** Parses a text for `diff`, instead. @default `readConfigText` of `@sd/config` */
  readonly parse?: (content: string) => unknown
  /** What else is secret, besides what `Masking` of `@sd/core` finds: diffs show `***` for it. `false` shows everything. @default {} */
  readonly masking?: MaskingOptions | false
  /** Makes the hashes HMACs: only who knows it can write a chain that verifies. Then `verify` and all else needs it too. @default plain SHA-256, see the README */
  readonly secret?: string
  /** Limit of the write to the source, in milliseconds. Who finds a write pending for three times as long takes its writer for dead. @default 5_000 */
  readonly writeTimeoutMs?: number
  /** Limit of one call, waiting for other writers included, in milliseconds. @default 30_000 */
  readonly operationTimeoutMs?: number
}

/** Options with their defaults. */
export type ResolvedConfigHistoryOptions = Omit<ConfigHistoryOptions, 'masking'> &
  Required<Omit<ConfigHistoryOptions, 'masking' | 'secret'>> & {
    /** The rule of what diffs show; `undefined` for everything. */
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

/** Checks them. @throws SdError `SD_INVALID` that names the option */
export function resolveConfigHistoryOptions(options: ConfigHistoryOptions): ResolvedConfigHistoryOptions {
  checkKnownKeys('', options, known)
  const { source, store, secret } = options
  const key = checkConfigKey('key', options.key)
  const format = checkFormat('format', options.format ?? formatOfKey(key))
  checkObject('source', source)
  checkFunction('source.put', source.put)
  checkObject('store', store)
  if (secret !== undefined && (typeof secret !== 'string' || secret === ''))
    throw invalidError('secret', `a ${typeof secret}`, 'a text that is not empty')
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

import {
  checkConfigKey,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkObject,
  invalid,
  type WritableConfigSource,
} from '@sd/core'
import type { HistoryStore } from './store.ts'

/** What diffs don't show. Both are wanted, so that what one of them hides the other doesn't tell. */
export interface DiffMask {
  /** Whether the value at a path of the structured diff is replaced by `***`. */
  path(path: string): boolean
  /** Replaces what is secret in a line of the text diff. */
  line(line: string): string
}

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
  /** Parses a text for `diff`. @default JSON.parse */
  readonly parse?: (content: string) => unknown
  /** What diffs don't show. @default they show everything */
  readonly mask?: DiffMask
  /** Makes the hashes HMACs: only who knows it can write a chain that verifies. Then `verify` and all else needs it too. @default plain SHA-256, see the README */
  readonly secret?: string
  /** Limit of the write to the source, in milliseconds. Who finds a write pending for three times as long takes its writer for dead. @default 5_000 */
  readonly writeTimeoutMs?: number
  /** Limit of one call, waiting for other writers included, in milliseconds. @default 30_000 */
  readonly operationTimeoutMs?: number
}

/** Options with their defaults. */
export type CheckedOptions = ConfigHistoryOptions & Required<Omit<ConfigHistoryOptions, 'mask' | 'secret'>>

const known = [
  'source',
  'key',
  'store',
  'author',
  'maxVersions',
  'parse',
  'mask',
  'secret',
  'writeTimeoutMs',
  'operationTimeoutMs',
]

/** Checks them. @throws SdError `SD_INVALID` that names the option */
export function checkOptions(options: ConfigHistoryOptions): CheckedOptions {
  checkKnownKeys('', options, known)
  const { source, store, mask, secret } = options
  checkObject('source', source)
  checkFunction('source.put', source.put)
  checkObject('store', store)
  if (mask !== undefined) {
    checkObject('mask', mask)
    checkFunction('mask.path', mask.path)
    checkFunction('mask.line', mask.line)
  }
  if (secret !== undefined && (typeof secret !== 'string' || secret === ''))
    throw invalid('secret', `a ${typeof secret}`, 'a text that is not empty')
  return {
    ...options,
    key: checkConfigKey('key', options.key),
    author: checkName('author', options.author),
    maxVersions: checkInteger('maxVersions', options.maxVersions ?? 100, { min: 2, max: 100_000 }),
    parse: checkFunction('parse', options.parse ?? ((content) => JSON.parse(content) as unknown)),
    writeTimeoutMs: checkDuration('writeTimeoutMs', options.writeTimeoutMs ?? 5_000, 1),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 30_000, 1),
  }
}

import { checkConfigKey, checkFormat } from '@sd/adapter-kit'
import {
  type ConfigFormat,
  type ConfigSource,
  checkBoolean,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  checkText,
  guardListener,
  invalidError,
  type Masking,
  type MaskingOptions,
} from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ConfigTree } from './config-tree.ts'
import type { Decrypt } from './decryption.ts'
import { splitPath } from './path.ts'
import { createEntrySelection, type EntrySelection, type ProfileOptions } from './profiles.ts'
import { relaxed } from './relaxed-key.ts'
import type { ConfigReport } from './report.ts'
import { readMasking } from './secrets.ts'
import { toPlain } from './tree.ts'

/** A source with its own options. */
export interface ConfigSourceOptions {
  /** The source. `closeSources` decides when it is closed. */
  readonly source: ConfigSource
  /** Path under which its values are placed, such as `db`. @default the top level */
  readonly at?: string
  /** Whether the start continues without this source if it is unreachable and there is no snapshot. @default false */
  readonly optional?: boolean
  /** Format of all its entries, regardless of their keys. @default each entry's own format */
  readonly format?: ConfigFormat
  /** Keys of the entries to use. @default all */
  readonly keys?: readonly string[] | ((key: string) => boolean)
  /**
   * Whether keys of its untyped texts (`text`, `env`, `properties`) adopt the spelling of a lower source if they differ only in
   * case, dashes and underscores: `db/pool_size` then sets `db.poolSize`.
   *
   * @default true
   */
  readonly relaxed?: boolean
  /** Whether its texts are written to the snapshot on disk. @default true */
  readonly snapshot?: boolean
  /**
   * Whether a single-line text, such as a mounted secret, keeps its trailing newline, which `echo` and editors add. Texts with
   * several lines always keep it.
   *
   * @default false
   */
  readonly keepNewline?: boolean
  /** Keys of entries that must be encrypted as a whole. Plain text there is rejected. @default [] */
  readonly requireEncrypted?: readonly string[]
}

/** Snapshot of the last valid texts, for a start while a source is unreachable. */
export interface ConfigSnapshotOptions {
  /**
   * Path of the file. The file is readable only by its owner, has a checksum and is replaced atomically. Encrypted values stay
   * encrypted in it.
   */
  readonly path: string
  /** Time that a start waits for the sources before it uses the snapshot, in milliseconds. @default 2_000 */
  readonly waitMs?: number
}

/** Options of `createConfig`. */
export interface ConfigOptions<Schema extends StandardSchemaV1 = StandardSchemaV1> {
  /** Sources in ascending precedence: later ones win. Their names must differ. */
  readonly sources: readonly (ConfigSource | ConfigSourceOptions)[]
  /** A Standard Schema (zod, valibot, arktype, …), which can be asynchronous. Values are its output. @default no validation */
  readonly schema?: Schema
  /** Values below all sources. @default {} */
  readonly defaults?: Readonly<Record<string, unknown>>
  /** Active overlays, see {@link ProfileOptions}. @default none */
  readonly profiles?: ProfileOptions
  /** Decrypts `ENC[…]` values, for example with `@sd/config-crypto`. @default such values are rejected */
  readonly decrypt?: Decrypt
  /**
   * Paths whose values, including all below them, must be encrypted in every source. Plain text there is rejected. A text that
   * shows such a value through a placeholder must be secret itself. Does not apply to `defaults` and `set`. @default none
   */
  readonly requireEncrypted?: readonly string[]
  /** Variables for placeholders. @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /**
   * Additional secrets: paths (with everything below them) or patterns for paths, or all options of the masking rule.
   *
   * @default detected by name and content, see `Masking` of `@sd/core`
   */
  readonly secrets?: readonly (string | RegExp)[] | MaskingOptions
  /**
   * Key, at least 16 characters, for the digest by which tools compare the configurations of processes. All instances of a
   * service must have the same key. With it, secrets are part of the digest. @default the digest is computed after masking
   */
  readonly digestKey?: string
  /** Stores the last valid texts on disk. @default none */
  readonly snapshot?: ConfigSnapshotOptions
  /** Time that a start waits for its sources, which are retried during it, in milliseconds. @default 10_000 */
  readonly startTimeoutMs?: number
  /** Time limit for decrypting and validating one update, in milliseconds. @default 10_000 */
  readonly updateTimeoutMs?: number
  /** Changes within this time after the first are applied together, in milliseconds. @default 50 */
  readonly coalesceMs?: number
  /** Receives reports of updates, rejections and outages. Its exceptions are dropped. @default none */
  readonly onReport?: (report: ConfigReport) => void
  /** Aborts the start. */
  readonly signal?: AbortSignal
  /**
   * When the sources are closed: `'on-failure'` when the start fails, `'always'` also when the configuration is closed, `'never'`
   * for a caller that reuses them.
   *
   * @default 'on-failure'
   */
  readonly closeSources?: 'on-failure' | 'always' | 'never'
  /** Name in reports and telemetry. @default 'config' */
  readonly name?: string
}

/** The options of a source with their defaults filled in. */
export interface ResolvedConfigSourceOptions {
  readonly source: ConfigSource
  readonly at: readonly string[]
  readonly optional: boolean
  readonly format: ConfigFormat | undefined
  readonly keys: (key: string) => boolean
  readonly relaxed: boolean
  readonly snapshot: boolean
  readonly keepNewline: boolean
  readonly requireEncrypted: readonly string[]
}

/** Options with their defaults filled in. */
export interface ResolvedConfigOptions {
  readonly sources: readonly ResolvedConfigSourceOptions[]
  readonly schema: StandardSchemaV1 | undefined
  readonly defaults: ConfigTree
  readonly selectEntries: EntrySelection
  readonly decrypt: Decrypt | undefined
  /** Whether the value at a path must be encrypted. */
  readonly isRequired: (keys: readonly string[]) => boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly masking: Masking
  readonly digestKey: string | undefined
  readonly snapshot: Required<ConfigSnapshotOptions> | undefined
  readonly startTimeoutMs: number
  readonly updateTimeoutMs: number
  readonly coalesceMs: number
  readonly onReport: (report: ConfigReport) => void
  readonly signal: AbortSignal | undefined
  readonly closeSources: 'on-failure' | 'always' | 'never'
  readonly name: string
}

const optionNames: readonly (keyof ConfigOptions)[] = [
  'sources',
  'schema',
  'defaults',
  'profiles',
  'decrypt',
  'requireEncrypted',
  'environment',
  'secrets',
  'digestKey',
  'snapshot',
  'startTimeoutMs',
  'updateTimeoutMs',
  'coalesceMs',
  'onReport',
  'signal',
  'closeSources',
  'name',
]

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveConfigOptions(options: ConfigOptions): ResolvedConfigOptions {
  checkKnownKeys('', checkObject('options', options), optionNames)
  const { schema, decrypt, onReport = () => {} } = options
  if (schema !== undefined && typeof schema['~standard']?.validate !== 'function')
    throw invalidError('schema', schema, 'a Standard Schema')
  if (decrypt !== undefined) checkFunction('decrypt', decrypt)
  return {
    sources: readSources(options.sources),
    schema,
    defaults: readTree('defaults', options.defaults ?? {}),
    selectEntries: createEntrySelection(options.profiles),
    decrypt,
    isRequired: readRequired(options.requireEncrypted ?? []),
    environment: checkObject('environment', options.environment ?? process.env) as ResolvedConfigOptions['environment'],
    masking: readMasking(options.secrets ?? {}),
    digestKey: options.digestKey === undefined ? undefined : checkDigestKey(options.digestKey),
    snapshot: options.snapshot && readSnapshot(options.snapshot),
    startTimeoutMs: checkDuration('startTimeoutMs', options.startTimeoutMs ?? 10_000, 1),
    updateTimeoutMs: checkDuration('updateTimeoutMs', options.updateTimeoutMs ?? 10_000, 1),
    coalesceMs: checkDuration('coalesceMs', options.coalesceMs ?? 50),
    onReport: guardListener('onReport', checkFunction('onReport', onReport)),
    signal: options.signal,
    closeSources: checkOneOf('closeSources', options.closeSources ?? 'on-failure', ['on-failure', 'always', 'never']),
    name: checkName('name', options.name ?? 'config'),
  }
}

/** @throws SdError `SD_INVALID`, without the key */
function checkDigestKey(value: unknown): string {
  if (typeof value === 'string' && value.length >= 16 && value.length <= 1_024) return value
  throw invalidError(
    'digestKey',
    `a ${typeof value}${typeof value === 'string' ? ` of ${value.length} characters` : ''}`,
    'a string of 16 to 1,024 characters',
  )
}

/** Copies values passed by the program. @throws SdError `SD_INVALID` that names the option */
function readTree(field: string, value: unknown): ConfigTree {
  return readValue(field, checkObject(field, value)) as ConfigTree
}

/** Copies a value passed by the program. @throws SdError `SD_INVALID` that names the option */
export function readValue(field: string, value: unknown): unknown {
  try {
    return toPlain(value)
  } catch {
    throw invalidError(field, value, 'plain values, lists and objects, at most 64 levels deep and without a key __proto__')
  }
}

function readSources(sources: ConfigOptions['sources']): readonly ResolvedConfigSourceOptions[] {
  if (!Array.isArray(sources)) throw invalidError('sources', sources, 'an array')
  const names = new Set(['defaults', 'overrides', 'schema'])
  return sources.map((given: ConfigSource | ConfigSourceOptions, index) => {
    const layer = readSource(`sources[${index}]`, given)
    const { name } = layer.source
    if (names.has(name))
      throw invalidError(`sources[${index}].name`, name, 'a unique name other than defaults, overrides and schema')
    names.add(name)
    return layer
  })
}

function readSource(field: string, given: ConfigSource | ConfigSourceOptions): ResolvedConfigSourceOptions {
  checkObject(field, given)
  if (!('source' in given)) return readSource(field, { source: given })
  checkKnownKeys(field, given, [
    'source',
    'at',
    'optional',
    'format',
    'keys',
    'relaxed',
    'snapshot',
    'keepNewline',
    'requireEncrypted',
  ])
  const {
    source,
    at,
    optional = false,
    format,
    keys,
    relaxed = true,
    snapshot = true,
    keepNewline = false,
    requireEncrypted = [],
  } = given
  checkFunction(`${field}.watch`, (checkObject(`${field}.source`, source) as unknown as ConfigSource).watch)
  return {
    source,
    at: at === undefined ? [] : splitPath(`${field}.at`, at),
    optional: checkBoolean(`${field}.optional`, optional),
    format: format && checkFormat(`${field}.format`, format),
    keys: readKeys(`${field}.keys`, keys),
    relaxed: checkBoolean(`${field}.relaxed`, relaxed),
    snapshot: checkBoolean(`${field}.snapshot`, snapshot),
    keepNewline: checkBoolean(`${field}.keepNewline`, keepNewline),
    requireEncrypted: checkTexts(`${field}.requireEncrypted`, requireEncrypted, checkConfigKey),
  }
}

function readRequired(paths: readonly string[]): ResolvedConfigOptions['isRequired'] {
  const required = checkTexts('requireEncrypted', paths).map((path, index) =>
    splitPath(`requireEncrypted[${index}]`, path).map(relaxed),
  )
  return (keys) =>
    required.some((path) => path.length <= keys.length && path.every((key, depth) => key === relaxed(keys[depth] as string)))
}

function checkTexts(
  field: string,
  texts: readonly string[],
  check: (field: string, text: unknown) => string = (place, text) => checkText(place, text, 1_024),
): readonly string[] {
  if (!Array.isArray(texts)) throw invalidError(field, texts, 'an array')
  return texts.map((text, index) => check(`${field}[${index}]`, text))
}

function readKeys(field: string, keys: ConfigSourceOptions['keys']): ResolvedConfigSourceOptions['keys'] {
  if (keys === undefined) return () => true
  if (typeof keys === 'function') return keys
  if (!Array.isArray(keys)) throw invalidError(field, keys, 'an array of keys or a function')
  const wanted = new Set(keys)
  return (key) => wanted.has(key)
}

function readSnapshot(snapshot: ConfigSnapshotOptions): Required<ConfigSnapshotOptions> {
  checkKnownKeys('snapshot', checkObject('snapshot', snapshot), ['path', 'waitMs'])
  return {
    path: checkText('snapshot.path', snapshot.path, 4_096),
    waitMs: checkDuration('snapshot.waitMs', snapshot.waitMs ?? 2_000),
  }
}

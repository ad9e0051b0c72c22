import { basename, dirname, resolve } from 'node:path'
import { checkConfigKey, checkConfigKeys, checkFormat } from '@sd/adapter-kit'
import {
  type ConfigFormat,
  checkBoolean,
  checkDuration,
  checkKnownKeys,
  checkName,
  checkObject,
  checkText,
  invalidError,
} from '@sd/core'

/** Options of `createFileConfigSource`: exactly one of `path` and `directory`. */
export interface FileConfigSourceOptions {
  /** Path of a single file, whose name is the key of its entry. */
  readonly path?: string
  /** Path of a directory. Every file in it is an entry; the key is its path below the directory, such as `orders.yaml` or `db/url`. */
  readonly directory?: string
  /** Files of the directory to use, in the order in which they are merged: later ones win. @default all except hidden files and backups, sorted */
  readonly keys?: readonly string[]
  /** Whether a file or directory can be missing; it is then empty. @default false: a missing file is an error */
  readonly optional?: boolean
  /** Format of every file. @default by its extension, such as `.yaml`; without one `text`, a single value at the path of its key */
  readonly format?: ConfigFormat
  /** Whether the files are secret as a whole, such as a mounted Kubernetes Secret, so that `@sd/config` masks their values. @default false */
  readonly secret?: boolean
  /** Time without changes before files are read, in milliseconds, because files are written in steps. @default 100 */
  readonly settleMs?: number
  /** Interval at which a watch checks the files, in addition to change events, in milliseconds. @default 5_000 */
  readonly pollIntervalMs?: number
  /** Time limit of one read or write, in milliseconds; at least twenty times `settleMs`. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Name in messages, logs and metrics. @default 'config-file' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedFileConfigSourceOptions {
  readonly directory: string
  readonly keys: readonly string[] | undefined
  readonly optional: boolean
  readonly format: ConfigFormat | undefined
  readonly secret: boolean
  readonly settleMs: number
  readonly pollIntervalMs: number
  readonly operationTimeoutMs: number
  readonly name: string
}

const known = [
  'path',
  'directory',
  'keys',
  'optional',
  'format',
  'secret',
  'settleMs',
  'pollIntervalMs',
  'operationTimeoutMs',
  'name',
]

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveFileConfigSourceOptions(options: FileConfigSourceOptions): ResolvedFileConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), known)
  const { settleMs = 100, format } = options
  checkDuration('settleMs', settleMs, 1)
  const operationTimeoutMs = checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 5_000, 1)
  if (operationTimeoutMs < 20 * settleMs) {
    throw invalidError('operationTimeoutMs', operationTimeoutMs, `at least twenty times settleMs, ${20 * settleMs}`)
  }
  return {
    ...readPlace(options),
    optional: checkBoolean('optional', options.optional ?? false),
    format: format && checkFormat('format', format),
    secret: checkBoolean('secret', options.secret ?? false),
    settleMs,
    pollIntervalMs: checkDuration('pollIntervalMs', options.pollIntervalMs ?? 5_000, 1),
    operationTimeoutMs,
    name: checkName('name', options.name ?? 'config-file'),
  }
}

function readPlace({
  path,
  directory,
  keys,
}: FileConfigSourceOptions): Pick<ResolvedFileConfigSourceOptions, 'directory' | 'keys'> {
  if (path === undefined)
    return { directory: checkPath('directory', directory), keys: keys && checkConfigKeys(keys, checkFileKey) }
  if (directory !== undefined) throw invalidError('directory', directory, 'no value together with path')
  if (keys !== undefined) throw invalidError('keys', keys, 'no value together with path')
  const file = checkPath('path', path)
  return { directory: dirname(file), keys: [checkConfigKey('path', basename(file))] }
}

/** Makes a path absolute, so that a later change of the working directory has no effect. */
function checkPath(field: string, value: unknown): string {
  if (value === undefined) throw invalidError(field, value, 'a path (set path or directory)')
  const text = checkText(field, value, 4_096)
  if (text === '' || text.includes('\0')) throw invalidError(field, value, 'a path')
  return resolve(text)
}

/** Validates that a key is one path below the directory on every system. @throws SdError `SD_INVALID` that names the field */
export function checkFileKey(field: string, value: unknown): string {
  const key = checkConfigKey(field, value)
  if (key.includes('\0') || key.includes('\\')) throw invalidError(field, key, 'a key without backslashes and NUL characters')
  return key
}

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
  /** Path of the only file, whose name is the key of its entry. */
  readonly path?: string
  /** Path of a directory: every file in it is an entry, whose key is its path below the directory, such as `orders.yaml` or `db/url`. */
  readonly directory?: string
  /** The files of the directory that count, in the order in which they are merged: later ones win. @default all but hidden ones and backups, sorted */
  readonly keys?: readonly string[]
  /** Whether a file or directory may be missing; it is empty then. @default false: that is an error */
  readonly optional?: boolean
  /** How every file is read. @default what its extension says, such as `.yaml`; without one as `text`, a single value at the path of its key */
  readonly format?: ConfigFormat
  /** Whether the files are secret as a whole, such as a mounted Kubernetes Secret, so that `@sd/config` masks their values. @default false */
  readonly secret?: boolean
  /** How long nothing may change before files are read, in milliseconds: they are written in steps. @default 100 */
  readonly settleMs?: number
  /** How often a watch looks at the files, in milliseconds, beside the operating system's word that they changed. @default 5_000 */
  readonly pollIntervalMs?: number
  /** Limit of one reading or writing, in milliseconds; at least twenty times `settleMs`. @default 5_000 */
  readonly operationTimeoutMs?: number
  /** Name for messages, logs and metrics. @default 'config-file' */
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

/** Checks options. @throws SdError `SD_INVALID` that names the option */
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
  if (directory !== undefined) throw invalidError('directory', directory, 'none beside path')
  if (keys !== undefined) throw invalidError('keys', keys, 'none beside path')
  const file = checkPath('path', path)
  return { directory: dirname(file), keys: [checkConfigKey('path', basename(file))] }
}

/** Makes a path absolute, so that it stays the same if the process changes its working directory. */
function checkPath(field: string, value: unknown): string {
  if (value === undefined) throw invalidError(field, value, 'a path, or the option path')
  const text = checkText(field, value, 4_096)
  if (text === '' || text.includes('\0')) throw invalidError(field, value, 'a path')
  return resolve(text)
}

/** Checks that a key leads to one place below the directory on every system. @throws SdError `SD_INVALID` that names the field */
export function checkFileKey(field: string, value: unknown): string {
  const key = checkConfigKey(field, value)
  if (key.includes('\0') || key.includes('\\')) throw invalidError(field, key, 'a key without backslash and zero')
  return key
}
